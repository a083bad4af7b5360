'use strict';

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const { PassThrough } = require('node:stream');
const { test } = require('node:test');
const { Listeners } = require('../../../../hosts/node/lib/listeners');

test('listeners are the most that one emitter has gained for one event', () => {
  const listeners = new Listeners();
  const bus = new EventEmitter();
  listeners.watch(() => {});
  for (let n = 0; n < 3; n += 1) bus.on('order', () => {});
  assert.equal(listeners.most(), 0);
  for (let n = 0; n < 4; n += 1) bus.on('order', () => {});
  bus.prependListener('other', () => {});
  assert.equal(listeners.most(), 4);
  for (let n = 0; n < 50; n += 1) new PassThrough().on('data', () => {});
  assert.equal(listeners.most(), 4);
  bus.removeAllListeners('order');
  assert.ok(listeners.most() < 4);
});

test('listeners of streams and once are seen, too', () => {
  const listeners = new Listeners();
  listeners.watch(() => {});
  const stream = new PassThrough();
  stream.once('close', () => {});
  listeners.most();
  for (let n = 0; n < 6; n += 1) stream.once('close', () => {});
  assert.equal(listeners.most(), 6);
});

test('whoever asked is told of each listener', () => {
  const heard = [];
  new Listeners().watch((emitter) => heard.push(emitter));
  const source = new EventEmitter();
  source.on('event', () => {}).prependListener('event', () => {}).once('event', () => {});
  assert.deepEqual(heard, [source, source, source]);
});
