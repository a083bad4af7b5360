'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { eventOf } = require('../../../../hosts/node/lib/events');

const keys = (event, value) => JSON.parse(`{${eventOf(event).keys(value)}}`);

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
  assert.equal(eventOf('constructor'), undefined);
  assert.equal(eventOf('toString'), undefined);
});

test('a message routed to the caller who waits is the answer, any other is a message', () => {
  const routed = (value, replyTo) => eventOf('data', value, replyTo).event;
  assert.equal(routed({ body: 1, headers: { 'X-EIO-Routing-Key': 'caller' } }, 'caller'), 'http_reply');
  assert.equal(routed({ body: 1, headers: { 'X-EIO-Routing-Key': 'other' } }, 'caller'), 'data');
  assert.equal(routed({ body: 1, headers: { 'X-EIO-Routing-Key': undefined } }, undefined), 'data');
  assert.equal(routed({ body: 1 }, 'caller'), 'data');
  for (const odd of [undefined, null, 'text', { headers: null }]) assert.equal(routed(odd, 'caller'), 'data');
});
