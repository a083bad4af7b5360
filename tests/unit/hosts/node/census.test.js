'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Census } = require('../../../../hosts/node/lib/census');

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
