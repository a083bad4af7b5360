'use strict';

/** The events of `this.emit`: what the protocol calls them, and what their frames carry. */

const { dataKeys, objectToJson, toJson } = require('./body');
const { BodyError } = require('./errors');
const { failure } = require('./failure');

const STATUS = 'x-eio-status-code';
const ROUTING_KEY = 'x-eio-routing-key';
/** Headers of an answer that say something to the platform. */
const OURS = new Set([STATUS, ROUTING_KEY]);

/** @typedef {{event: string, keys: (value: any) => string}} Event */

/** @type {Record<string, Event>} */
const EVENTS = Object.assign(Object.create(null), {
  data: { event: 'data', keys: data },
  error: { event: 'error', keys: (/** @type {any} */ value) => `"error":${JSON.stringify(failure(value))}` },
  rebound: { event: 'rebound', keys: (/** @type {any} */ value) => `"reason":${JSON.stringify(reason(value))}` },
  snapshot: { event: 'snapshot', keys: (/** @type {any} */ value) => `"value":${toJson(value, 'snapshot')}` },
  updateSnapshot: { event: 'update_snapshot', keys: patch },
  updateKeys: { event: 'update_keys', keys: (/** @type {any} */ value) => `"keys":${objectToJson(value, 'keys')}` },
  httpReply: { event: 'http_reply', keys: reply },
});

/**
 * What `emit(name, value)` sends. A message that is routed to the caller who waits is the answer.
 *
 * @param {string} name
 * @param {any} value
 * @param {string | undefined} replyTo `headers.reply_to` of the call's message
 * @returns {Event | undefined} `undefined` for an event that does not exist
 */
function eventOf(name, value, replyTo) {
  if (name === 'data' && replyTo !== undefined && header(value?.headers, ROUTING_KEY) === replyTo) return EVENTS.httpReply;
  return EVENTS[name];
}

/**
 * @param {any} headers
 * @param {string} wanted in lower case
 */
function header(headers, wanted) {
  const name = Object.keys(headers ?? {}).find((each) => each.toLowerCase() === wanted);
  return name === undefined ? undefined : headers[name];
}

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
  const said = value?.statusCode ?? header(value?.headers, STATUS) ?? 200;
  const status = Number(said);
  const headers = Object.fromEntries(Object.entries(value?.headers ?? {}).filter(([name]) => !OURS.has(name.toLowerCase())));
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw new BodyError(`statusCode is ${said}; it must be a number from 100 to 999`);
  }
  const body = value?.body === undefined ? 'null' : toJson(value.body, 'body');
  return `"status":${status},"headers":${objectToJson(headers, 'headers')},"body":${body}`;
}

module.exports = { eventOf };
