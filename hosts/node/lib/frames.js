'use strict';

/** Frames: one JSON object per line. */

const { isUtf8 } = require('node:buffer');

/** The largest frame of the host protocol, in bytes. */
const LARGEST = 64 * 1024 * 1024;
const NEWLINE = 10;

/** The other side sent something that is not a frame. */
class FrameError extends Error {}

/** Cuts a byte stream into lines, however it arrives. Linear in the bytes fed. */
class Splitter {
  /** @type {Buffer[]} */
  #pieces = [];
  #size = 0;

  /**
   * @param {Buffer} data
   * @returns {string[]} the lines that `data` completes, without their newline
   * @throws {FrameError} beyond `LARGEST`, and for what is not UTF-8
   */
  feed(data) {
    const cut = data.lastIndexOf(NEWLINE);
    const rest = data.subarray(cut + 1);
    let whole = data.subarray(0, Math.max(cut, 0));
    if (cut >= 0 && this.#size) {
      whole = Buffer.concat([...this.#pieces, whole]);
      this.#pieces = [];
      this.#size = 0;
    }
    if (rest.length) {
      this.#pieces.push(rest);
      this.#size += rest.length;
    }
    if (this.#size > LARGEST) throw new FrameError(`a frame is larger than ${LARGEST} bytes`);
    return cut < 0 ? [] : lines(whole);
  }
}

/** @param {Buffer} whole */
function lines(whole) {
  if (!isUtf8(whole)) throw new FrameError('not a frame: the bytes are not UTF-8');
  const found = whole.toString().split('\n');
  if (whole.length > LARGEST && found.some((line) => Buffer.byteLength(line) > LARGEST)) {
    throw new FrameError(`a frame is larger than ${LARGEST} bytes`);
  }
  return found;
}

/**
 * @param {string} line
 * @returns {Record<string, any>} the frame on `line`
 * @throws {FrameError}
 */
function parse(line) {
  let value;
  try {
    value = JSON.parse(line);
  } catch (problem) {
    throw new FrameError(`not a frame: ${/** @type {Error} */ (problem).message}: ${line.slice(0, 200)}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new FrameError(`not one JSON object: ${line.slice(0, 200)}`);
  }
  return value;
}

/**
 * A whole frame; keys that are `undefined` are left out. For the rarer frames: the hot ones are put together by hand.
 *
 * @param {Record<string, unknown>} keys
 */
function frame(keys) {
  return `${JSON.stringify(keys)}\n`;
}

module.exports = { FrameError, LARGEST, Splitter, frame, parse };
