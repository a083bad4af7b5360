'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { failure } = require('../../../../hosts/node/lib/failure');
const { Call } = require('../../../../hosts/node/lib/call');

test('the name is the class, or what the error calls itself', () => {
  class Mine extends Error {}
  assert.equal(failure(new Mine('x')).name, 'Mine');
  assert.equal(failure(Object.assign(new Error('x'), { name: 'Other' })).name, 'Other');
  assert.equal(failure(new (class extends Error {})('x')).name, 'Error');
});

test('frames of the host are left out, at the top and below', () => {
  let thrown;
  try {
    new Call({}, {}, () => {}, 'process');
  } catch (problem) {
    thrown = problem;
  }
  const { stack } = failure(thrown);
  assert.ok(thrown.stack.includes('hosts/node/lib/call.js'));
  assert.ok(!stack.includes('hosts/node/lib'));
  assert.match(stack, /^TypeError: the frame has no call number\n {4}at .*failure\.test\.js/);
});

test('the call by which the host came is left out with it', async () => {
  const { answer } = require('../../../../hosts/node/lib/hooks');
  const thrown = await answer(() => { throw new Error('x'); }, {}, {}).catch((problem) => problem);
  assert.match(thrown.stack, /at new Promise \(<anonymous>\)/);
  assert.match(failure(thrown).stack, /^Error: x\n {4}at .*failure\.test\.js/);
  assert.doesNotMatch(failure(thrown).stack, /new Promise/);
});

test('causes and the parts of an aggregate are told, up to a depth', () => {
  const error = new AggregateError([new Error('one')], 'both', { cause: 'text' });
  assert.match(failure(error).stack, /\[cause\]: text\n\[errors\]: Error: one\n/);
  const circle = new Error('circle');
  circle.cause = circle;
  assert.equal(failure(circle).stack.match(/\[cause\]/g).length, 5);
});

test('what cannot be read is an error, too', () => {
  const hostile = {
    get message() {
      throw new Error('gotcha');
    },
  };
  assert.match(failure(hostile).message, /cannot be read/);
  assert.deepEqual(failure(undefined), { name: 'Error', message: 'undefined', stack: '' });
  assert.equal(failure({ code: 7 }).message, '{ code: 7 }');
});

test('long texts are cut in the middle', () => {
  const { message } = failure(new Error(`${'a'.repeat(20_000)}${'z'.repeat(20_000)}`));
  assert.match(message, /^a+\n… 8000 characters left out …\nz+$/);
});
