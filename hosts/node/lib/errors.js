'use strict';

/**
 * What goes wrong between a component and the platform.
 *
 * Error
 * ├── EmitError       the platform did not accept an emission
 * ├── BodyError       a value cannot be sent: it is not JSON, or too large
 * ├── CancelledError  the platform cancelled the call
 * └── LoadError       the component's code is not what its descriptor says
 */

class EmitError extends Error {
  /**
   * @param {string} reason a short fixed word such as `call-ended`
   * @param {string} [text]
   */
  constructor(reason, text = '') {
    super(text ? `${reason}: ${text}` : reason);
    this.name = 'EmitError';
    this.reason = reason;
    this.text = text;
  }
}

class BodyError extends TypeError {
  /** @param {string} message names the offending type and the path to it */
  constructor(message) {
    super(message);
    this.name = 'BodyError';
  }
}

class CancelledError extends Error {
  constructor() {
    super('the platform cancelled this call');
    this.name = 'CancelledError';
  }
}

class LoadError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(message);
    this.name = 'LoadError';
  }
}

/**
 * What was thrown, which may be nothing.
 *
 * @param {unknown} thrown
 * @param {string} what threw it
 */
function given(thrown, what) {
  return thrown ?? new Error(`${what} ${thrown}`);
}

module.exports = { BodyError, CancelledError, EmitError, LoadError, given };
