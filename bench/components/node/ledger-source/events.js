'use strict';

// Emits what the ledger sends, and tells it the number of each event that is durable.

const net = require('node:net');

exports.listen = async function (cfg) {
  const ledger = net.connect({ host: '127.0.0.1', port: Number(cfg.port), noDelay: true, signal: this.signal });
  const window = Number(cfg.window || 64);
  let underWay = 0;
  let goOn = () => {};

  const passOn = async (event) => {
    try {
      await this.emit('data', { id: String(event.n), body: event });
      ledger.write(`${event.n}\n`);
    } catch (refusal) {
      ledger.destroy(refusal);
    } finally {
      underWay -= 1;
      goOn();
    }
  };

  for await (const line of lines(ledger)) {
    underWay += 1;
    passOn(JSON.parse(line));
    while (underWay >= window) await new Promise((resolve) => { goOn = resolve; });
  }
};

async function* lines(stream) {
  let rest = '';
  for await (const text of stream.setEncoding('utf8')) {
    const whole = (rest + text).split('\n');
    rest = whole.pop();
    yield* whole;
  }
}
