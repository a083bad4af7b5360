'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { Log, plain } = require('../../../../hosts/node/lib/log');
const { Logger, line } = require('../../../../hosts/node/lib/logger');

function written() {
  const lines = [];
  const transport = { congested: false, send: (text) => lines.push(JSON.parse(text)) };
  return { lines, transport, log: new Log(transport) };
}

test('text is formatted printf-style, and what no placeholder takes is appended', () => {
  assert.equal(line(['%s has %d of %j', 'Ada', 2, { a: 1 }, 'more']).text, 'Ada has 2 of {"a":1} more');
  assert.equal(line(['100%']).text, '100%');
  assert.equal(line([null, undefined, 7]).text, 'null undefined 7');
});

test('an object first is fields, its msg the text where there is no other', () => {
  assert.deepEqual(line([{ a: 1, msg: 'text' }]), { text: 'text', fields: { a: 1 } });
  assert.deepEqual(line([{ a: 1 }, 'n %d', 2]), { text: 'n 2', fields: { a: 1 } });
});

test('an error first gives its message and its stack', () => {
  const { text, fields } = line([new RangeError('no')]);
  assert.equal(text, 'no');
  assert.match(fields.stack, /^RangeError: no\n/);
});

test('children add their fields, and the line its own', () => {
  const { lines, log } = written();
  new Logger(log, 3, { a: 1 }).child({ b: 2 }).info({ b: 3 }, 'text');
  assert.deepEqual(lines, [{ type: 'log', level: 'info', text: 'text', call: 3, fields: { a: 1, b: 3 } }]);
});

test('lines are dropped and counted while the worker is too slow', () => {
  const { lines, transport, log } = written();
  transport.congested = true;
  log.write('info', 'lost');
  log.write('info', 'lost, too');
  transport.congested = false;
  log.write('info', 'kept');
  assert.deepEqual(
    lines.map(({ text }) => text),
    ['2 log lines were dropped: the worker is too slow for them', 'kept'],
  );
});

test('fields become JSON whatever they are', () => {
  const circle = {};
  circle.circle = circle;
  assert.deepEqual(plain({ n: NaN, s: Symbol('x'), u: undefined, d: new Date(0), b: 1n, h: '\ud800' }), {
    n: 'NaN',
    s: 'Symbol(x)',
    u: 'undefined',
    d: '1970-01-01T00:00:00.000Z',
    b: '1',
    h: '\ufffd',
  });
  assert.match(JSON.stringify(plain(circle)), /\{…\}/);
  assert.equal(plain(Array(1000).fill(0)).length, 100);
});
