'use strict';

/** One emission on its way. */

const quiet = () => {};

/**
 * What `this.emit` returns: resolves when the platform has the emission durably, rejects with the reason when not.
 *
 * A refusal that nobody listens for is no unhandled rejection, which would end the host; `heard` tells the platform.
 *
 * @extends {Promise<boolean | undefined>}
 */
class Emission extends Promise {
  /** What `then` makes is an ordinary promise. */
  static get [Symbol.species]() {
    return Promise;
  }

  /** Whether somebody has asked for the outcome. */
  heard = false;
  /** @type {unknown} why it was refused */
  refusal = undefined;
  /** @type {(value?: any) => void} */
  #resolve;
  /** @type {(reason: unknown) => void} */
  #reject;

  /** @param {(resolve: (value: any) => void, reject: (reason?: any) => void) => void} [executor] */
  constructor(executor = quiet) {
    /** @type {any} */
    let resolve;
    /** @type {any} */
    let reject;
    super((yes, no) => {
      resolve = yes;
      reject = no;
      executor(yes, no);
    });
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The platform has it, durably. */
  settle() {
    this.#resolve();
  }

  /** @param {Error} refusal */
  refuse(refusal) {
    this.refusal = refusal;
    super.then(undefined, quiet);
    this.#reject(refusal);
  }

  /**
   * @param {any} [fulfilled]
   * @param {any} [rejected]
   * @returns {Promise<any>}
   */
  // biome-ignore lint/suspicious/noThenProperty: it has to notice who listens
  then(fulfilled, rejected) {
    this.heard = true;
    return super.then(fulfilled, rejected);
  }
}

module.exports = { Emission };
