'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { FrameError, LARGEST, Splitter, frame, parse } = require('../../../../hosts/node/lib/frames');

const TEXT = '{"a":"Grüße 😀"}\n{"b":2}\n\n{"c":';

test('a stream is cut into the same lines wherever its chunks end', () => {
  const bytes = Buffer.from(TEXT);
  for (let size = 1; size <= bytes.length; size += 1) {
    const splitter = new Splitter();
    const lines = [];
    for (let at = 0; at < bytes.length; at += size) lines.push(...splitter.feed(bytes.subarray(at, at + size)));
    assert.deepEqual(lines, ['{"a":"Grüße 😀"}', '{"b":2}', '']);
    assert.deepEqual(splitter.feed(Buffer.from('3}\n')), ['{"c":3}']);
  }
});

test('a frame may be as large as the protocol allows, and no larger, in one chunk or many', () => {
  const largest = Buffer.alloc(LARGEST, 'x');
  const splitter = new Splitter();
  splitter.feed(largest.subarray(0, 1000));
  assert.equal(splitter.feed(Buffer.concat([largest.subarray(1000), Buffer.from('\n')]))[0].length, LARGEST);
  splitter.feed(largest);
  assert.throws(() => splitter.feed(Buffer.from('x')), FrameError);
  assert.throws(() => new Splitter().feed(Buffer.concat([largest, Buffer.from('x\n')])), FrameError);
});

test('bytes that are not UTF-8 are no frame', () => {
  assert.throws(() => new Splitter().feed(Buffer.from([0x22, 0xff, 0x22, 0x0a])), /not UTF-8/);
});

test('only one JSON object is a frame', () => {
  assert.deepEqual(parse('{"type":"stop"}'), { type: 'stop' });
  for (const line of ['', '[]', 'null', '7', '{"a":1} {"b":2}', '{"a":']) assert.throws(() => parse(line), FrameError);
});

test('keys that are undefined are left out', () => {
  assert.equal(frame({ type: 'log', call: undefined }), '{"type":"log"}\n');
});
