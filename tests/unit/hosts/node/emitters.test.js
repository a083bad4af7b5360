'use strict';

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const path = require('node:path');
const { PassThrough } = require('node:stream');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { Emitters } = require('../../../../hosts/node/lib/emitters');

/**
 * @param {(listen: (emitter: object) => void, call: number) => void} process called again and again
 * @param {number} calls
 * @param {string} folder the component's
 * @returns {Promise<number[]>} what was told after each call
 */
async function told(process, calls, folder = __dirname) {
  const emitters = new Emitters(folder);
  const listen = (/** @type {object} */ emitter) => emitters.heard(emitter, listen);
  const found = [];
  for (let call = 1; call <= calls; call += 1) {
    emitters.begin(call);
    process(listen, call);
    found.push(emitters.inARow());
    await turn();
    await turn();
  }
  return found;
}

const zeros = (/** @type {number} */ length) => Array(length).fill(0);

test('one that is left behind by each call is told at the tenth', async () => {
  const kept = [];
  const found = await told((listen) => listen(kept[kept.push(new EventEmitter()) - 1]), 12);
  assert.deepEqual(found, [...zeros(9), 10, 11, 12]);
});

test('it is told within twenty calls when that begins later', async () => {
  const kept = [];
  const found = await told((listen, call) => {
    if (call > 20) kept.push(new EventEmitter());
    if (call > 20) listen(kept.at(-1));
  }, 40);
  assert.deepEqual(found.slice(0, 29), zeros(29));
  assert.equal(found[29], 10);
});

test('what is garbage, one for all calls, or a stream is not told', async () => {
  const one = new EventEmitter();
  const kept = [];
  const found = await told((listen) => {
    listen(one);
    listen(new EventEmitter());
    kept.push(new PassThrough());
    listen(kept.at(-1));
  }, 200);
  assert.deepEqual(found, zeros(200));
});

test('what is left behind now and then is not told', async () => {
  const kept = [];
  const found = await told((listen, call) => {
    if (call % 10) kept.push(new EventEmitter());
    listen(kept.at(-1));
  }, 60);
  assert.deepEqual(found, zeros(60));
});

test('what others than the component listen to is theirs', async () => {
  const kept = [];
  const leave = (/** @type {(emitter: object) => void} */ listen) => listen(kept[kept.push(new EventEmitter()) - 1]);
  assert.deepEqual(await told(leave, 30, path.join(__dirname, '../../../../hosts')), zeros(30));
});
