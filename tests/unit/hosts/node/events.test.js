'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { EVENTS } = require('../../../../hosts/node/lib/events');

const keys = (event, value) => JSON.parse(`{${EVENTS[event].keys(value)}}`);

test('a rebound has a reason, from an error, a text or nothing', () => {
  assert.deepEqual(keys('rebound', new Error('busy')), { reason: 'busy' });
  assert.deepEqual(keys('rebound', 'busy'), { reason: 'busy' });
  assert.deepEqual(keys('rebound', undefined), { reason: '' });
});

test('a reply has a status, from its code or a header of any case, else 200', () => {
  const status = (value) => keys('httpReply', value).status;
  assert.equal(status({ statusCode: 201, headers: { 'x-eio-status-code': 404 } }), 201);
  assert.equal(status({ headers: { 'X-Eio-Status-Code': '404' } }), 404);
  assert.equal(status(undefined), 200);
  for (const wrong of [99, 1000, 'x', 200.5]) assert.throws(() => status({ statusCode: wrong }), /statusCode/);
});

test('names of Object.prototype are no events', () => {
  assert.equal(EVENTS.constructor, undefined);
  assert.equal(EVENTS.toString, undefined);
});
