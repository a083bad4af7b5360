'use strict';

/** The socket to the worker. What is sent within one turn of the event loop leaves in one write, or at a `flush`. */

const { Splitter } = require('./frames');

const CONGESTED = 4 * 1024 * 1024;
const LAST_WORDS = 2_000;

class Transport {
  #socket;
  #splitter = new Splitter();
  #waiting = '';
  #closing = false;

  /**
   * @param {import('node:net').Socket} socket
   * @param {(lines: string[]) => void} onLines gets the lines that arrived together
   * @param {(why: string) => void} onLost called once, when the worker is gone or speaks no frames
   */
  constructor(socket, onLines, onLost) {
    this.#socket = socket;
    socket.on('data', (data) => {
      try {
        onLines(this.#splitter.feed(data));
      } catch (problem) {
        this.#lost(onLost, /** @type {Error} */ (problem).message);
      }
    });
    socket.on('end', () => this.#lost(onLost, 'the worker closed the socket'));
    socket.on('error', (problem) => this.#lost(onLost, problem.message));
  }

  /** The worker reads more slowly than frames are made; what can be dropped should be. */
  get congested() {
    return this.#socket.writableLength + this.#waiting.length > CONGESTED;
  }

  /**
   * Queue a frame. Frames leave in the order they were queued.
   *
   * @param {string} text
   */
  send(text) {
    if (!this.#waiting) setImmediate(this.flush);
    this.#waiting += text;
  }

  /** Write what is queued. */
  flush = () => {
    if (!this.#waiting) return;
    const text = this.#waiting;
    this.#waiting = '';
    if (!this.#closing) this.#socket.write(text);
  };

  /**
   * Write everything, take nothing more, then call `done`; at the latest after two seconds.
   *
   * @param {() => void} done
   */
  close(done) {
    this.flush();
    if (this.#closing) return;
    this.#closing = true;
    setTimeout(done, LAST_WORDS);
    this.#socket.end(done);
  }

  /**
   * @param {(why: string) => void} tell
   * @param {string} why
   */
  #lost(tell, why) {
    if (this.#closing) return;
    this.#closing = true;
    tell(why);
  }
}

module.exports = { Transport };
