'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { answer, verification } = require('../../../../hosts/node/lib/hooks');

const ask = (hook, data) => answer(hook, { me: 1 }, { cfg: 1 }, data);

test('an answer comes at once, by promise, or by callback', async () => {
  assert.equal(await ask(() => 7), 7);
  assert.equal(await ask(async () => 7), 7);
  assert.equal(await ask((cfg, done) => setImmediate(done, null, 7)), 7);
  assert.equal(await ask(async (cfg, done) => setImmediate(done, null, 7) && undefined), 7);
  assert.deepEqual(await ask(function (cfg) { return [this.me, cfg]; }), [1, { cfg: 1 }]);
});

test('what a function with a callback returns, a request say, is no answer', async () => {
  assert.equal(
    await ask((cfg, done) => {
      setImmediate(done, null, 7);
      return { request: true };
    }),
    7,
  );
});

test('the first answer counts', async () => {
  assert.equal(await ask((cfg, done) => { done(null, 1); done(null, 2); }), 1);
  await assert.rejects(ask((cfg, done) => { done(new Error('no')); done(null, 2); }), /no/);
});

test('shutdown gets its data, and no callback', async () => {
  assert.deepEqual(await ask((cfg, data) => data, { hook: 1 }), { hook: 1 });
});

test('what a hook throws is its error', async () => {
  await assert.rejects(ask(() => { throw new Error('no'); }), /no/);
});

test('only an explicit success verifies', async () => {
  const said = async (value) => (await verification(async () => value, {}, {})).verified;
  assert.equal(await said(true), true);
  assert.equal(await said({ verified: true }), true);
  for (const value of [false, undefined, null, 1, 'ok', {}, { verified: 'true' }, { verified: false }]) {
    assert.equal(await said(value), false, `${value}`);
  }
});

test('a no comes with its reason', async () => {
  const no = (value) => verification(() => value, {}, {});
  assert.equal((await no({ verified: false, reason: 'expired' })).reason, 'expired');
  assert.equal((await no({ verified: false, reason: new Error('expired') })).reason, 'expired');
  assert.equal((await no(Promise.reject(new Error('401')))).reason, '401');
  assert.equal((await no(Promise.reject(undefined))).reason, 'the function threw undefined');
});
