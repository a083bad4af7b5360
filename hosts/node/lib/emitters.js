'use strict';

/**
 * Emitters that a call has made and left behind, with a listener of the component's own code: what a leak looks like
 * where many of them share one resource, or none.
 */

const fs = require('node:fs');
const { Stream } = require('node:stream');
const { pathToFileURL } = require('node:url');
const v8 = require('node:v8');
const vm = require('node:vm');

/** Calls in a row that make a leak. */
const CALLS = 10;
const MOST_PATIENCE = 1_000;

class Emitters {
  #call = 0;
  /** @type {Map<number, WeakRef<object>[]>} first listened to, by call */
  #made = new Map();
  /** @type {WeakSet<object>} */
  #known = new WeakSet();
  /** What was made up to this call, and is there, is no garbage. */
  #collected = 0;
  #patience = CALLS - 1;
  #own;

  /** @param {string} folder the component's */
  constructor(folder) {
    const real = fs.realpathSync(folder);
    this.#own = [`${real}/`, `${pathToFileURL(real).href}/`];
  }

  /** @param {number} call begins now */
  begin(call) {
    this.#call = call;
  }

  /**
   * Somebody listens to `emitter`. Streams are seen by what they read from, and what libraries do among themselves is
   * theirs: pools and agents keep what they make on purpose.
   *
   * @param {object} emitter
   * @param {Function} wrapper whose caller listens
   */
  heard(emitter, wrapper) {
    if (emitter instanceof Stream || this.#known.has(emitter) || !this.#calledByComponent(wrapper)) return;
    this.#known.add(emitter);
    const made = this.#made.get(this.#call);
    if (made) made.push(new WeakRef(emitter));
    else this.#made.set(this.#call, [new WeakRef(emitter)]);
  }

  /**
   * How many of the last calls, one after the other, have each left one behind. What is merely not collected yet does
   * not count: garbage is collected before so many are told that they make a leak, less and less often where nothing
   * was found.
   */
  inARow() {
    let first = this.#call + 1;
    while (this.#left(first - 1)) first -= 1;
    for (const call of this.#made.keys()) if (call < first) this.#made.delete(call);
    const proven = this.#collected - first + 1;
    if (proven >= CALLS - 1) return this.#call - first + 1;
    if (this.#call - first + 1 >= this.#patience) this.#collect();
    return 0;
  }

  /** @param {number} call */
  #left(call) {
    return this.#made.get(call)?.some((emitter) => emitter.deref()) ?? false;
  }

  /** Afterwards: what was looked at in one turn of the loop stays until its end. */
  #collect() {
    const call = this.#call;
    this.#patience = Math.min(2 * this.#patience, MOST_PATIENCE);
    setImmediate(() => {
      collector()();
      this.#collected = call;
    });
  }

  /** @param {Function} wrapper */
  #calledByComponent(wrapper) {
    const file = callerOf(wrapper);
    return this.#own.some((own) => file.startsWith(own) && !file.slice(own.length).includes('node_modules/'));
  }
}

/**
 * @param {Function} wrapper
 * @returns {string} the file, a path or an address, from which it is called now
 */
function callerOf(wrapper) {
  const { prepareStackTrace, stackTraceLimit } = Error;
  /** @type {any} */
  const trace = {};
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_, frames) => frames;
    Error.captureStackTrace(trace, wrapper);
    return trace.stack[0]?.getFileName() ?? '';
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/** @type {(() => void) | undefined} */
let collect;

/** @returns {() => void} */
function collector() {
  if (!collect) {
    v8.setFlagsFromString('--expose-gc');
    collect = vm.runInNewContext('gc');
    v8.setFlagsFromString('--no-expose-gc');
  }
  return /** @type {() => void} */ (collect);
}

module.exports = { Emitters };
