'use strict';

// One line a message: number, age in nanoseconds, mark of this code, id of the message.

const net = require('node:net');
const { once } = require('node:events');
const { setTimeout: pause } = require('node:timers/promises');
const { promisify } = require('node:util');

const MARK = 1;
let tell;

exports.process = async (msg, cfg) => {
  if (cfg.pace) await pause(Number(cfg.pace));
  const age = Math.round((performance.timeOrigin + performance.now()) * 1e6 - msg.body.sent);
  tell ??= await connected(Number(cfg.port));
  await tell(`${msg.body.n} ${age} ${MARK} ${msg.id}\n`);
};

/** The connection's `write`, as a promise: what it was given has left this process. */
async function connected(port) {
  const ledger = net.connect({ host: '127.0.0.1', port, noDelay: true });
  await once(ledger, 'connect');
  ledger.on('error', () => {}); // the next write tells it
  return promisify(ledger.write.bind(ledger));
}
