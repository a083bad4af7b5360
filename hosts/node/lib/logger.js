'use strict';

/** `this.logger`: the step's log as component code writes to it, in bunyan's manner. */

const { format } = require('node:util');
const { failure, isError } = require('./failure');
const { LEVELS } = require('./log');

/** @typedef {import('./log').Level} Level */

/**
 * `logger.info('%s of %d', 'one', 2)`, `logger.info({order: 7}, 'text')`, `logger.error(error, 'text')`; without
 * arguments a method tells whether its level is written.
 */
class Logger {
  #log;
  #call;
  #fields;

  /**
   * @param {import('./log').Log} log
   * @param {number | undefined} call
   * @param {Record<string, unknown>} [fields] added to every line
   */
  constructor(log, call, fields = {}) {
    this.#log = log;
    this.#call = call;
    this.#fields = fields;
    // Own and bound: components hand them on, as in `.catch(this.logger.error)`.
    for (const level of /** @type {Level[]} */ (Object.keys(LEVELS))) {
      /** @type {any} */ (this)[level] = (/** @type {unknown[]} */ ...args) => this.#line(level, args);
    }
  }

  /**
   * A logger that adds `fields` to every line.
   *
   * @param {Record<string, unknown>} fields
   */
  child(fields) {
    return new Logger(this.#log, this.#call, { ...this.#fields, ...fields });
  }

  /**
   * @param {Level} level
   * @param {unknown[]} args
   */
  #line(level, args) {
    if (!args.length) return LEVELS[level] >= this.#log.threshold;
    if (LEVELS[level] < this.#log.threshold) return undefined;
    const { text, fields } = line(args);
    this.#log.write(level, text, this.#call, { ...this.#fields, ...fields });
    return undefined;
  }
}

/**
 * Text and fields of a line.
 *
 * @param {any[]} args
 * @returns {{text: string, fields: Record<string, unknown>}}
 */
function line(args) {
  const [first, ...rest] = args;
  if (isError(first)) {
    const { message, stack } = failure(first);
    return { text: rest.length ? format(...rest) : message, fields: { stack: stack || message } };
  }
  if (first === null || typeof first !== 'object' || Array.isArray(first)) return { text: formatted(args), fields: {} };
  const { msg, ...fields } = first;
  if (isError(fields.err)) {
    fields.stack = fields.err;
    delete fields.err;
  }
  const text = rest.length ? formatted(rest) : formatted(msg === undefined ? [] : [msg]);
  return { text, fields };
}

/**
 * `util.format`, which appends what no placeholder takes; errors among them as text without their properties.
 *
 * @param {any[]} args
 */
function formatted(args) {
  return format(...args.map((each) => (isError(each) ? failure(each).stack || failure(each).message : each)));
}

module.exports = { Logger, line };
