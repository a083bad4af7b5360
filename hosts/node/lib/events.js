'use strict';

/** The events of `this.emit`: what the protocol calls them, and what their frames carry. */

const { dataKeys, objectToJson, toJson } = require('./body');
const { BodyError } = require('./errors');
const { failure } = require('./failure');

const STATUS = 'x-eio-status-code';

/** @type {Record<string, {event: string, keys: (value: any) => string}>} */
const EVENTS = Object.assign(Object.create(null), {
  data: { event: 'data', keys: data },
  error: { event: 'error', keys: (/** @type {any} */ value) => `"error":${JSON.stringify(failure(value))}` },
  rebound: { event: 'rebound', keys: (/** @type {any} */ value) => `"reason":${JSON.stringify(reason(value))}` },
  snapshot: { event: 'snapshot', keys: (/** @type {any} */ value) => `"value":${toJson(value, 'snapshot')}` },
  updateSnapshot: { event: 'update_snapshot', keys: patch },
  updateKeys: { event: 'update_keys', keys: (/** @type {any} */ value) => `"keys":${objectToJson(value, 'keys')}` },
  httpReply: { event: 'http_reply', keys: reply },
});

/** @param {any} value */
function data(value) {
  if (value === undefined || value === null) throw new BodyError(`emit('data') was given ${value}, not a message`);
  return dataKeys(value);
}

/** @param {any} value */
function reason(value) {
  return value === undefined || value === null ? '' : failure(value).message;
}

/** @param {any} value */
function patch(value) {
  const text = objectToJson(value, 'patch');
  if (Object.hasOwn(value, '$set')) {
    throw new BodyError('updateSnapshot merges a plain object, shallow; $set is not supported');
  }
  return `"patch":${text}`;
}

/** @param {any} value */
function reply(value) {
  const headers = { ...value?.headers };
  const named = Object.keys(headers).find((name) => name.toLowerCase() === STATUS);
  const status = Number(value?.statusCode ?? (named ? headers[named] : 200));
  if (named) delete headers[named];
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw new BodyError(`statusCode is ${value?.statusCode}; it must be a number from 100 to 999`);
  }
  const body = value?.body === undefined ? 'null' : toJson(value.body, 'body');
  return `"status":${status},"headers":${objectToJson(headers, 'headers')},"body":${body}`;
}

module.exports = { EVENTS };
