'use strict';

/**
 * Writing values as JSON, or saying exactly why that is not possible.
 *
 * The rules are those of `JSON.stringify`, which components rely on: dates become ISO text, what is `undefined` is left
 * out, `NaN` becomes `null`. An error is what it refuses, what would be lost whole, and text that is not Unicode.
 */

const { BodyError } = require('./errors');
const { LARGEST } = require('./frames');

const DEEPEST = 200;
const HINTS = {
  bigint: 'use String(…) or Number(…)',
  function: 'call it, or leave it out',
  promise: 'await it',
  symbol: 'use String(…)',
};
const MESSAGE_KEYS = new Set(['id', 'body', 'headers', 'attachments', 'passthrough', 'metadata']);

/**
 * @param {any} value
 * @param {string} what how the error calls it
 * @returns {string} JSON
 * @throws {BodyError} naming the type and the path, which starts with `what`
 */
function toJson(value, what) {
  let text;
  try {
    if (typeof value?.then !== 'function') text = JSON.stringify(value);
  } catch (problem) {
    throw new BodyError(whyNot(value, what) || `${what} is not JSON: ${/** @type {Error} */ (problem).message}`);
  }
  if (text === undefined) throw new BodyError(whyNot(value, what) || `${what} is not JSON`);
  if (text.includes('\\ud')) {
    const fault = whyNot(value, what);
    if (fault) throw new BodyError(fault);
  }
  if (text.length > LARGEST / 4 && Buffer.byteLength(text) > LARGEST - 4096) {
    throw new BodyError(`${what} is too large: ${Buffer.byteLength(text)} bytes, a frame holds ${LARGEST}`);
  }
  return text;
}

/**
 * As `toJson`, for what must be an object.
 *
 * @param {any} value
 * @param {string} what
 */
function objectToJson(value, what) {
  const text = toJson(value, what);
  if (text[0] !== '{') throw new BodyError(`${what} is ${typeName(value)}; it must be an object`);
  return text;
}

/**
 * The inside of a `data` emission's frame.
 *
 * A message is an object with a `body`, or one that has `headers` or `attachments` and nothing a message has not.
 * Anything else is a body by itself.
 *
 * @param {any} data
 * @returns {string}
 * @throws {BodyError}
 */
function dataKeys(data) {
  if (!isMessage(data)) return `"body":${toJson(data, 'body')}`;
  let keys = `"body":${data.body === undefined ? '{}' : toJson(data.body, 'body')}`;
  if (filled(data.headers)) keys += `,"headers":${objectToJson(data.headers, 'headers')}`;
  if (filled(data.attachments)) keys += `,"attachments":${objectToJson(data.attachments, 'attachments')}`;
  if (filled(data.metadata)) keys += `,"metadata":${objectToJson(data.metadata, 'metadata')}`;
  if (data.id !== undefined && data.id !== null && data.id !== '') keys += `,"id":${toJson(String(data.id), 'id')}`;
  return keys;
}

/** @param {any} data */
function isMessage(data) {
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return false;
  if ('body' in data) return true;
  if (!('headers' in data || 'attachments' in data)) return false;
  return Object.keys(data).every((key) => MESSAGE_KEYS.has(key));
}

/** @param {any} value */
function filled(value) {
  if (value === undefined || value === null) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/**
 * What keeps `value` from being JSON, with its path; empty when nothing does.
 *
 * @param {any} value
 * @param {string} path
 * @param {number} [depth]
 * @returns {string}
 */
function whyNot(value, path, depth = 0) {
  if (depth > DEEPEST) return `${path.slice(0, 100)}… is nested too deeply, or contains itself`;
  if (typeof value === 'string') {
    return value.isWellFormed() ? '' : `${path} holds half a surrogate pair, which is not valid Unicode`;
  }
  if (typeof value === 'bigint' || (depth === 0 && isLost(value))) return refused(value, path);
  if (value === null || typeof value !== 'object' || typeof value.toJSON === 'function') return '';
  for (const [key, item] of Object.entries(value)) {
    const at = Array.isArray(value) ? `${path}[${key}]` : member(path, key);
    const fault = whyNot(key, `${path} (key)`, depth + 1) || whyNot(item, at, depth + 1);
    if (fault) return fault;
  }
  return '';
}

/** @param {any} value */
function isLost(value) {
  return value === undefined || ['function', 'symbol'].includes(typeof value) || typeof value?.then === 'function';
}

/**
 * @param {any} value
 * @param {string} path
 */
function refused(value, path) {
  const kind = typeName(value);
  const hint = /** @type {Record<string, string>} */ (HINTS)[typeof value?.then === 'function' ? 'promise' : typeof value];
  return `${path} is ${kind}, which is not JSON${hint ? `; ${hint}` : ''}`;
}

/** @param {any} value */
function typeName(value) {
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  return value.constructor?.name || 'object';
}

/**
 * @param {string} path
 * @param {string} key
 */
function member(path, key) {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

module.exports = { dataKeys, objectToJson, toJson };
