'use strict';

/** An exception in the protocol's form, told from the component's side. */

const path = require('node:path');
const { inspect, types } = require('node:util');

const HOST = path.dirname(__dirname) + path.sep;
const LONGEST = 32_000;
const DEEPEST = 5;
const FRAME_OF_NODE = /^ {4}at .*node:/;
const NATIVE_FRAME = /^ {4}at .*\(<anonymous>\)$/;
const FRAME_INSIDE_NODE = /^ {4}at .*node:internal\//;

/**
 * Also those of a `vm` context, which has a class of its own for them.
 *
 * @param {unknown} value
 * @returns {value is Error}
 */
const isError = (value) => value instanceof Error || types.isNativeError(value);

/** @typedef {{name: string, message: string, stack: string}} Failure */

/**
 * `{name, message, stack}` of whatever was thrown; the stack is JavaScript's usual text, causes included, without the
 * frames of the host and of Node.js's own insides. It is never more than that: errors of HTTP clients carry requests
 * with their secrets.
 *
 * @param {unknown} thrown
 * @returns {Failure}
 */
function failure(thrown) {
  try {
    return { name: named(thrown), message: shortened(worded(thrown)), stack: shortened(traced(thrown)) };
  } catch (problem) {
    return { name: 'Error', message: `(the error cannot be read: ${String(problem)})`, stack: '' };
  }
}

/** @param {any} thrown */
function named(thrown) {
  if (thrown === null || typeof thrown !== 'object') return 'Error';
  if (typeof thrown.name === 'string' && thrown.name && thrown.name !== 'Error') return thrown.name;
  const own = isError(thrown) ? thrown.constructor?.name : '';
  return own || 'Error';
}

/** @param {any} thrown */
function worded(thrown) {
  if (typeof thrown === 'string') return thrown;
  if (thrown !== null && typeof thrown === 'object' && typeof thrown.message === 'string') return ours(thrown.message);
  return inspect(thrown, { depth: 2, breakLength: Infinity });
}

/**
 * @param {any} thrown
 * @param {number} [depth]
 * @returns {string}
 */
function traced(thrown, depth = 0) {
  if (thrown === null || typeof thrown !== 'object' || typeof thrown.stack !== 'string') return '';
  let text = ours(thrown.stack);
  if (depth < DEEPEST) {
    if (thrown.cause !== undefined) text += `\n[cause]: ${traced(thrown.cause, depth + 1) || worded(thrown.cause)}`;
    if (Array.isArray(thrown.errors)) {
      for (const each of thrown.errors.slice(0, 10)) {
        text += `\n[errors]: ${traced(each, depth + 1) || worded(each)}`;
      }
    }
  }
  return text;
}

/**
 * Without the host's frames, those of Node.js that led to them, and Node.js's insides.
 *
 * @param {string} text
 */
function ours(text) {
  if (!text.includes(HOST) && !text.includes('node:internal/')) return text;
  /** @type {string[]} */
  const kept = [];
  let below = false;
  for (const line of text.split('\n')) {
    if (line.includes(HOST)) {
      if (!below) while (NATIVE_FRAME.test(kept.at(-1) ?? '')) kept.pop(); // by which the host called
      below = true;
    } else {
      below &&= FRAME_OF_NODE.test(line);
      if (!below && !FRAME_INSIDE_NODE.test(line)) kept.push(line);
    }
  }
  return kept.join('\n');
}

/** @param {string} text */
function shortened(text) {
  let kept = text;
  if (text.length > LONGEST) {
    const half = LONGEST / 2;
    kept = `${text.slice(0, half)}\n… ${text.length - LONGEST} characters left out …\n${text.slice(-half)}`;
  }
  return kept.toWellFormed();
}

module.exports = { failure, isError };
