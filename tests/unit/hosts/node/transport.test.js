'use strict';

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { Transport } = require('../../../../hosts/node/lib/transport');

function connected() {
  const socket = Object.assign(new EventEmitter(), {
    written: [],
    writableLength: 0,
    write: (text) => socket.written.push(text),
    end: (done) => done(),
  });
  const lines = [];
  const lost = [];
  const transport = new Transport(socket, (some) => lines.push(some), (why) => lost.push(why));
  return { socket, lines, lost, transport };
}

test('what is sent within one turn of the event loop leaves in one write', async () => {
  const { socket, transport } = connected();
  transport.send('a\n');
  await Promise.resolve();
  transport.send('b\n');
  await turn();
  transport.send('c\n');
  await turn();
  assert.deepEqual(socket.written, ['a\nb\n', 'c\n']);
});

test('lines that arrive together are handed on together', () => {
  const { socket, lines } = connected();
  socket.emit('data', Buffer.from('{}\n{}\n{'));
  assert.deepEqual(lines, [['{}', '{}']]);
});

test('the worker is lost once, for the first reason', () => {
  const { socket, lost } = connected();
  socket.emit('end');
  socket.emit('error', new Error('reset'));
  assert.deepEqual(lost, ['the worker closed the socket']);
});

test('what is queued leaves before a close, and nothing after it', async () => {
  const { socket, transport } = connected();
  transport.send('last\n');
  await new Promise((resolve) => transport.close(resolve));
  transport.send('too late\n');
  await turn();
  assert.deepEqual(socket.written, ['last\n']);
});

test('much that the worker has not read is congestion', () => {
  const { socket, transport } = connected();
  assert.equal(transport.congested, false);
  socket.writableLength = 5 * 1024 * 1024;
  assert.equal(transport.congested, true);
});
