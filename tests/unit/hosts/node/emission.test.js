'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setImmediate: turn } = require('node:timers/promises');
const { Emission } = require('../../../../hosts/node/lib/emission');
const { Outbox } = require('../../../../hosts/node/lib/outbox');

function outbox() {
  const sent = [];
  const logged = [];
  const box = new Outbox({ send: (text) => sent.push(JSON.parse(text)) }, { write: (...args) => logged.push(args) });
  return { box, sent, logged };
}

const call = (number = 1) => ({
  number,
  emissions: 0,
  pending: 0,
  lost: [],
  answered() {
    this.pending -= 1;
  },
  unheard(emission) {
    this.lost.push(emission);
  },
});

test('an emission is a promise, and what `then` makes is an ordinary one', async () => {
  const emission = new Emission();
  assert.ok(emission instanceof Promise);
  assert.equal(emission.then().constructor, Promise);
  emission.settle();
  assert.equal(await emission, undefined);
  assert.equal(await Emission.resolve(7), 7);
});

test('a refusal is thrown where it is awaited, twice if need be', async () => {
  const emission = new Emission();
  setImmediate(() => emission.refuse(new Error('no')));
  await assert.rejects(emission, /no/);
  await assert.rejects(Promise.all([emission]), /no/);
});

test('a refusal nobody listens to is logged, and is no unhandled rejection', async () => {
  const { box, logged } = outbox();
  const one = call();
  box.emit(one, 'data', '"body":1');
  box.settle({ call: 1, emit: 1, ok: false, error: { reason: 'full', message: 'wait' } });
  assert.equal(one.lost.length, 1);
  await turn();
  assert.deepEqual(logged, [['warn', 'emission 1 was not accepted (full: wait), and nobody awaited it', 1]]);
});

test('one who listens a moment later is told, and nothing is logged', async () => {
  const { box, logged } = outbox();
  await assert.rejects(async () => box.refused(call(), new Error('no')), /no/);
  await turn();
  assert.deepEqual(logged, []);
});

test('answers settle their emission in any order; others are ignored', async () => {
  const { box, sent } = outbox();
  const [one, two] = [call(1), call(2)];
  const emissions = [box.emit(one, 'data', '"body":1'), box.emit(one, 'data', '"body":2'), box.emit(two, 'data', '"body":3')];
  box.post(two, 'data', '"body":4');
  assert.deepEqual(
    sent.map(({ call, emit, confirm }) => [call, emit, confirm]),
    [[1, 1, undefined], [1, 2, undefined], [2, 1, undefined], [2, 2, false]],
  );
  for (const [number, emit] of [[2, 1], [1, 2], [1, 1], [1, 1], [9, 9], [2, 2]]) box.settle({ call: number, emit, ok: true });
  await Promise.all(emissions);
  assert.equal(box.size, 0);
  assert.deepEqual([one.pending, two.pending], [0, 0]);
});
