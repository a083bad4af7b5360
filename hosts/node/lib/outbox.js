'use strict';

/** Emissions on their way: numbered within their call, sent, and settled when the worker answers. */

const { Emission } = require('./emission');
const { EmitError } = require('./errors');

/** @typedef {import('./call').Call} Call */

const SHIFT = 2 ** 21;
/** The reason why an answer is refused when no caller waits for one. */
const NOBODY_WAITS = 'nobody-waits';

/**
 * One number for a call's number and an emission's; both start again only after two million.
 *
 * @param {number} call
 * @param {number} emit
 */
const keyOf = (call, emit) => (call % 2 ** 31) * SHIFT + (emit % SHIFT);

class Outbox {
  /** @type {Map<number, {emission: Emission, call: Call, number: number}>} */
  #pending = new Map();
  #transport;
  #log;

  /**
   * @param {import('./transport').Transport} transport
   * @param {import('./log').Log} log
   */
  constructor(transport, log) {
    this.#transport = transport;
    this.#log = log;
  }

  /** Emissions that have no answer yet, and whose answer somebody may wait for. */
  get size() {
    return this.#pending.size;
  }

  /**
   * Send an emission; `keys` is the inside of its frame's JSON object.
   *
   * @param {Call} call
   * @param {string} event
   * @param {string} keys
   */
  emit(call, event, keys) {
    const emission = new Emission();
    const number = this.#post(call, event, keys);
    this.#pending.set(keyOf(call.number, number), { emission, call, number });
    call.pending += 1;
    return emission;
  }

  /**
   * Send an emission that needs no answer: what becomes of it is between the worker and the call's input.
   *
   * @param {Call} call
   * @param {string} event
   * @param {string} keys
   */
  post(call, event, keys) {
    this.#post(call, event, `"confirm":false,${keys}`);
  }

  /**
   * An emission that the host itself refuses.
   *
   * @param {Call} call
   * @param {Error} problem
   */
  refused(call, problem) {
    const emission = new Emission();
    this.#refuse(emission, call, problem, `an emission cannot be sent: ${problem.message}; nobody awaited it`);
    return emission;
  }

  /**
   * Handle an `emitted` frame; one that nobody waits for is ignored.
   *
   * @param {Record<string, any>} answer
   */
  settle(answer) {
    const key = keyOf(answer.call ?? 0, answer.emit ?? 0);
    const found = this.#pending.get(key);
    if (!found) return;
    const { emission, call, number } = found;
    this.#pending.delete(key);
    if (answer.ok) {
      emission.settle();
    } else {
      const { reason = 'refused', message = '' } = answer.error ?? {};
      const told = `emission ${number} was not accepted (${reason}: ${message}), and nobody awaited it`;
      this.#refuse(emission, call, new EmitError(reason, message), told);
    }
    call.answered();
  }

  /**
   * Reject what a call waits for: it was cancelled. Answers that still come are ignored by its code.
   *
   * @param {Call} call
   * @param {Error} reason
   */
  cancel(call, reason) {
    if (!call.pending) return;
    for (const each of this.#pending.values()) {
      if (each.call === call && each.emission.heard) each.emission.refuse(reason);
    }
  }

  /**
   * @param {Emission} emission
   * @param {Call} call
   * @param {Error} problem
   * @param {string} unheard
   */
  #refuse(emission, call, problem, unheard) {
    emission.refuse(problem);
    if (emission.heard) return;
    // Components answer whether somebody waits or not; an answer that nobody wanted is no failure.
    if (/** @type {any} */ (problem).reason !== NOBODY_WAITS) call.unheard(emission);
    // Whoever has just been given it listens a moment later.
    setImmediate(() => {
      if (!emission.heard) this.#log.write('warn', unheard, call.number || undefined);
    });
  }

  /**
   * @param {Call} call
   * @param {string} event
   * @param {string} keys
   */
  #post(call, event, keys) {
    call.emissions += 1;
    this.#transport.send(
      `{"type":"emit","call":${call.number},"emit":${call.emissions},"event":"${event}",${keys}}\n`,
    );
    return call.emissions;
  }
}

module.exports = { Outbox };
