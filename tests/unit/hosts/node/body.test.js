'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { dataKeys, objectToJson, toJson } = require('../../../../hosts/node/lib/body');

const why = (value) => {
  try {
    toJson(value, 'body');
  } catch (problem) {
    return problem.message;
  }
  return '';
};

test('the path of what cannot be sent is told', () => {
  assert.equal(why({ 'a b': [{ c: 1n }] }), 'body["a b"][0].c is bigint, which is not JSON; use String(…) or Number(…)');
  assert.equal(why({ name: 'x\ud800' }), 'body.name holds half a surrogate pair, which is not valid Unicode');
  assert.equal(why({ '\udfff': 1 }), 'body (key) holds half a surrogate pair, which is not valid Unicode');
  assert.match(why(undefined), /^body is undefined/);
  assert.match(why(Promise.resolve()), /await it$/);
});

test('text that only looks like half a surrogate pair is sent', () => {
  assert.equal(toJson('\\ud800 \ud83d\ude00', 'body'), '"\\\\ud800 😀"');
});

test('an error of toJSON is told when nothing else is wrong', () => {
  const broken = {
    toJSON() {
      throw new Error('no');
    },
  };
  assert.equal(why({ broken }), 'body is not JSON: no');
});

test('an object with a body is a message', () => {
  assert.equal(dataKeys({ body: 1, id: 7, headers: {}, attachments: null }), '"body":1,"id":"7"');
  assert.equal(dataKeys({ headers: { a: 1 } }), '"body":{},"headers":{"a":1}');
  assert.equal(dataKeys({ body: undefined }), '"body":{}');
  assert.equal(dataKeys({ body: null }), '"body":null');
});

test('anything else is a body', () => {
  assert.equal(dataKeys({ headers: 1, rows: 2 }), '"body":{"headers":1,"rows":2}');
  assert.equal(dataKeys([{ body: 1 }]), '"body":[{"body":1}]');
  assert.equal(dataKeys({ id: 7 }), '"body":{"id":7}');
});

test('headers, snapshots and keys are objects', () => {
  assert.throws(() => dataKeys({ body: 1, headers: 'x' }), /headers is string; it must be an object/);
  assert.throws(() => objectToJson([1], 'patch'), /patch is Array; it must be an object/);
  assert.throws(() => objectToJson(null, 'patch'), /patch is null/);
});
