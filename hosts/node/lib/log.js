'use strict';

/** The step's log: where lines go, and what values look like in them. */

const { failure, isError } = require('./failure');
const { frame } = require('./frames');

/** The protocol's levels with bunyan's numbers. */
const LEVELS = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };
const LONGEST = 64_000;
const DEEPEST = 4;
const MOST = 100;

/** @typedef {keyof typeof LEVELS} Level */

/** Lines are dropped, and counted, while the worker is too slow for them. */
class Log {
  threshold = LEVELS.info;
  #transport;
  #dropped = 0;

  /** @param {import('./transport').Transport} transport */
  constructor(transport) {
    this.#transport = transport;
  }

  /** @param {string} level the step's */
  setLevel(level) {
    this.threshold = LEVELS[/** @type {Level} */ (level)] ?? LEVELS.info;
  }

  /**
   * One line, whatever the threshold.
   *
   * @param {Level} level
   * @param {string} text
   * @param {number} [call]
   * @param {Record<string, unknown>} [fields]
   */
  write(level, text, call, fields) {
    if (this.#transport.congested) {
      this.#dropped += 1;
      return;
    }
    if (this.#dropped) {
      const lost = `${this.#dropped} log lines were dropped: the worker is too slow for them`;
      this.#dropped = 0;
      this.#transport.send(frame({ type: 'log', level: 'warn', text: lost }));
    }
    const kept = text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text;
    const clean = fields && Object.keys(fields).length ? plain(fields) : undefined;
    this.#transport.send(frame({ type: 'log', level, text: kept.toWellFormed(), call, fields: clean }));
  }
}

/**
 * A field's value as JSON; an exception as its stack, other things that are not JSON as text.
 *
 * @param {any} value
 * @param {number} [depth]
 * @returns {any}
 */
function plain(value, depth = DEEPEST) {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value !== 'object') return String(value);
  if (isError(value)) return failure(value).stack || failure(value).message;
  if (typeof value.toJSON === 'function') return plainly(value, depth);
  if (depth === 0) return Array.isArray(value) ? `[${value.length} items]` : '{…}';
  if (Array.isArray(value)) return value.slice(0, MOST).map((item) => plain(item, depth - 1));
  /** @type {Record<string, unknown>} */
  const kept = {};
  for (const key of Object.keys(value).slice(0, MOST)) kept[key.toWellFormed()] = plain(value[key], depth - 1);
  return kept;
}

/**
 * @param {any} value
 * @param {number} depth
 */
function plainly(value, depth) {
  try {
    const made = value.toJSON();
    return made === value ? String(value) : plain(made, Math.max(depth - 1, 0));
  } catch {
    return String(value);
  }
}

module.exports = { LEVELS, Log, plain };
