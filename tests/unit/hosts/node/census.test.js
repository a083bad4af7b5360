'use strict';

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const { PassThrough } = require('node:stream');
const { test } = require('node:test');
const { Census } = require('../../../../hosts/node/lib/census');

test('listeners are the most that one emitter has gained for one event', () => {
  const census = new Census();
  const bus = new EventEmitter();
  for (let n = 0; n < 3; n += 1) bus.on('order', () => {});
  census.watch();
  assert.equal(census.count().listeners, 0);
  for (let n = 0; n < 4; n += 1) bus.on('order', () => {});
  bus.prependListener('other', () => {});
  assert.equal(census.count().listeners, 4);
  for (let n = 0; n < 50; n += 1) new PassThrough().on('data', () => {});
  assert.equal(census.count().listeners, 4);
  bus.removeAllListeners('order');
  assert.ok(census.count().listeners < 4);
});

test('listeners of streams and once are seen, too', () => {
  const census = new Census();
  census.watch();
  const stream = new PassThrough();
  for (let n = 0; n < 6; n += 1) stream.once('close', () => {});
  assert.equal(census.count().listeners, 6);
});

test('timers count while they keep the process alive', () => {
  const census = new Census();
  const timers = [setInterval(() => {}, 1000), setTimeout(() => {}, 1000), setTimeout(() => {}, 1000).unref()];
  assert.equal(census.count().timers, 2);
  for (const timer of timers) clearTimeout(timer);
  assert.equal(census.count().timers, 0);
});

test('calls that end in quick succession share a census', () => {
  const census = new Census();
  assert.equal(census.due(), true);
  assert.equal(census.due(), false);
});
