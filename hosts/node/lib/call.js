'use strict';

/** One call of component code, from its frame to its end. */

const { Context } = require('./context');
const { CancelledError, given } = require('./errors');
const { eventOf } = require('./events');

/** @typedef {import('./emission').Emission} Emission */
/** @typedef {import('./host').Host} Host */
/** @typedef {(this: unknown, ...args: any[]) => any} Function_ */

const GRACE = 1_000;

/**
 * A `call` or `hook` frame being worked on.
 *
 *     waiting ──run──▶ running ──function returned nothing──▶ open ──end, quiet──▶ concluded ──▶ finished
 *                         └──returned, threw, emitted `end`──────────────────────────▲   └ when its emissions are answered
 *
 * A trigger's call may emit after its end.
 */
class Call {
  /** Emissions so far. */
  emissions = 0;
  /** Emissions that are not answered yet. */
  pending = 0;
  /** @type {'waiting' | 'running' | 'open' | 'concluded' | 'finished'} */
  state = 'waiting';
  cancelled = false;
  us = 0;
  /** @type {unknown} */
  error = undefined;
  #started = 0;
  #paused = 0;
  #spoke = 0;
  #held = true;
  /** @type {AbortController | undefined} */
  #controller;
  /** @type {Emission[]} */
  #unheard = [];
  /** @type {(() => unknown) | undefined} */
  #close;
  /** @type {AsyncGenerator | Generator | undefined} */
  #generator;

  /**
   * @param {Host} host
   * @param {Record<string, any>} frame
   * @param {Function_} main
   * @param {'process' | 'listen' | 'hook' | 'init'} shape
   */
  constructor(host, frame, main, shape) {
    if (!Number.isInteger(frame.call)) throw new TypeError('the frame has no call number');
    this.host = host;
    this.frame = frame;
    this.main = main;
    this.shape = shape;
    /** @type {number} */
    this.number = frame.call;
    this.context = new Context(this);
  }

  /** @returns {AbortSignal} */
  get signal() {
    if (this.shape === 'process' && this.host.repeats) return this.host.stopped;
    this.#controller ??= new AbortController();
    if (this.cancelled && !this.#controller.signal.aborted) this.#controller.abort(new CancelledError());
    return this.#controller.signal;
  }

  /** What a message is routed to that answers the caller who waits; `undefined` when nobody does. */
  get #replyTo() {
    return this.frame.msg?.headers?.reply_to;
  }

  /** Whether it has ended, though its emissions may not be answered yet. */
  get isOver() {
    return this.state === 'concluded' || this.state === 'finished';
  }

  // -- running

  /** Call the function; never throws. */
  run() {
    this.begin();
    const cfg = this.host.cfgFor(this.frame);
    const snapshot = this.frame.snapshot ?? {};
    let returned;
    try {
      returned =
        this.shape === 'listen'
          ? this.main.call(this.context, cfg, snapshot)
          : this.main.call(this.context, message(this.frame.msg, this.host.isTrigger), cfg, snapshot);
    } catch (thrown) {
      this.conclude(given(thrown, 'the function threw'));
      return;
    }
    this.#returned(returned);
  }

  /** The function is about to be called. */
  begin() {
    this.state = 'running';
    this.#started = performance.now();
  }

  /** @param {any} returned */
  #returned(returned) {
    if (typeof returned?.then === 'function') this.#wait(returned);
    else if (isGenerator(returned)) this.#wait(this.#drive(returned));
    else if (this.shape === 'listen' && typeof returned === 'function') this.#stayOpen(returned);
    else if (returned) this.#resolved(returned);
    else this.#stayOpen();
  }

  /** @param {PromiseLike<any>} promise */
  #wait(promise) {
    try {
      promise.then(
        (value) => this.#resolved(value),
        (reason) => this.conclude(given(reason, 'the promise was rejected with')),
      );
    } catch (thrown) {
      this.conclude(thrown);
    }
  }

  /** @param {any} value what the function returned or its promise resolved to */
  #resolved(value) {
    if (this.shape === 'listen' && typeof value === 'function') {
      this.#stayOpen(value);
      return;
    }
    if (!value || !this.#mayReturn()) {
      this.conclude();
      return;
    }
    const { event, keys } = /** @type {import('./events').Event} */ (eventOf('data', value, this.#replyTo));
    try {
      this.host.outbox.post(this, event, keys(value));
    } catch (problem) {
      this.conclude(problem);
      return;
    }
    this.conclude();
  }

  /** Whether what it returned can still be sent. */
  #mayReturn() {
    if (this.state === 'running' || this.host.isTrigger) return true;
    if (!this.cancelled) this.host.log.write('warn', 'a message returned after `end` is not sent', this.number);
    return false;
  }

  /** @param {() => unknown} [close] for `listen`: called when it has to stop */
  #stayOpen(close) {
    if (this.state !== 'running') return;
    this.#close = close;
    this.state = 'open';
    if (this.cancelled) this.#leave();
    else if (this.shape === 'process' && this.host.repeats) this.#untilQuiet(this.#started);
  }

  /**
   * A trigger's call that says nothing of its end has ended when it has been silent for long enough; one that never
   * is, after `call_max`.
   *
   * @param {number} from
   */
  #untilQuiet(from) {
    const until = Math.min(from + this.host.quietAfter, this.#started + this.host.callMax);
    const timer = setTimeout(
      () => {
        if (this.state !== 'open') return;
        if (this.#spoke > from && performance.now() < this.#started + this.host.callMax) this.#untilQuiet(this.#spoke);
        else this.conclude(undefined, false);
      },
      Math.max(0, until - performance.now()),
    );
    timer.unref();
  }

  /**
   * What a generator yields is emitted; it goes on when that is durable, a refusal is thrown at its `yield`.
   *
   * @param {AsyncGenerator | Generator} generator
   */
  async #drive(generator) {
    this.#generator = generator;
    let step = await generator.next();
    while (!step.done) {
      const paused = performance.now();
      /** @type {unknown} */
      let refusal;
      try {
        if (step.value !== undefined && step.value !== null) await this.emit('data', step.value);
      } catch (thrown) {
        refusal = thrown;
      }
      this.#paused += performance.now() - paused;
      step = refusal === undefined ? await generator.next() : await generator.throw(refusal);
    }
    return step.value;
  }

  // -- emitting

  /**
   * What `this.emit` does. Never throws.
   *
   * @param {string} event
   * @param {any} value
   * @returns {Promise<any>}
   */
  emit(event, value) {
    this.#spoke = performance.now();
    if (event === 'end') {
      this.#end();
      return Promise.resolve();
    }
    const known = eventOf(event, value, this.#replyTo);
    if (!known) {
      this.host.log.write('warn', `there is no event '${event}'; it is ignored`, this.number || undefined);
      return Promise.resolve(false);
    }
    let keys;
    try {
      keys = known.keys(value);
    } catch (problem) {
      return this.host.outbox.refused(this, /** @type {Error} */ (problem));
    }
    return this.host.emit(this, known.event, keys);
  }

  #end() {
    if (this.shape === 'hook' || this.shape === 'init') return;
    if (this.isOver) {
      this.host.log.write('warn', '`end` was emitted again and is ignored', this.number);
      return;
    }
    this.conclude();
  }

  /** An emission was answered. */
  answered() {
    this.pending -= 1;
    if (this.state === 'concluded' && this.#held && !this.pending) this.#finish();
  }

  /** @param {Emission} emission one that was refused before anybody listened */
  unheard(emission) {
    if (this.state !== 'finished') this.#unheard.push(emission);
  }

  // -- ending

  /**
   * The call is over, with or without an error; later words are ignored. Never throws.
   *
   * @param {unknown} [error]
   * @param {boolean} [held] whether the end waits until emissions are answered: a refusal that nobody heard of is the
   *     call's failure
   */
  conclude(error, held = true) {
    if (this.isOver) {
      if (error !== undefined && !this.cancelled) this.host.failedLate(this, error);
      return;
    }
    this.us = this.microseconds;
    this.error = this.cancelled ? cancellation(error, this.shape) : error;
    this.state = 'concluded';
    this.#held = held && !this.cancelled;
    if (!this.#held || !this.pending) this.#finish();
  }

  /** Time spent in component code so far, without waiting for what a generator yielded to be durable. */
  get microseconds() {
    if (this.state === 'waiting') return 0;
    return Math.max(0, Math.round((performance.now() - this.#started - this.#paused) * 1000));
  }

  #finish() {
    this.state = 'finished';
    const lost = this.host.isTrigger ? undefined : this.#unheard.find((emission) => !emission.heard);
    this.#unheard = [];
    this.host.finish(this, this.error ?? lost?.refusal);
  }

  /**
   * Ask the code to end. It hears of it by `this.signal`, and where it waits for an emission; a function that has
   * returned nothing has nothing to hear it with, and a promise that goes on for a second is left alone.
   */
  cancel() {
    if (this.cancelled || this.isOver) return;
    this.cancelled = true;
    const reason = new CancelledError();
    if (this.state === 'waiting') {
      this.conclude(reason);
      return;
    }
    this.#controller?.abort(reason);
    if (this.shape !== 'listen') this.host.outbox.cancel(this, reason);
    if (this.state === 'open') this.#leave();
    else if (this.shape === 'process') setTimeout(() => this.#abandon(reason), GRACE).unref();
    else if (this.#generator) this.#return(this.#generator);
  }

  /** @param {Error} reason */
  #abandon(reason) {
    if (this.state !== 'running') return;
    this.host.log.write('warn', 'the code of a cancelled call goes on; nobody waits for it any more', this.number);
    this.conclude(reason, false);
  }

  /** End an open call that was cancelled. */
  #leave() {
    if (this.shape !== 'listen') {
      this.conclude(new CancelledError(), false);
      return;
    }
    let closed;
    try {
      closed = this.#close?.call(this.context);
    } catch (thrown) {
      this.conclude(thrown);
      return;
    }
    if (typeof closed?.then !== 'function') this.conclude();
    else closed.then(() => this.conclude(), (/** @type {unknown} */ reason) => this.conclude(reason));
  }

  /** @param {AsyncGenerator | Generator} generator a `listen`'s */
  #return(generator) {
    Promise.resolve(generator.return(undefined)).catch((reason) => this.conclude(reason));
  }

  /** Stop waiting for a trigger's call that has returned and might still emit. */
  endQuietly() {
    if (this.state === 'open') this.conclude();
  }
}

/**
 * @param {Record<string, any> | null | undefined} msg
 * @param {boolean} first whether it comes from outside: then it may be an HTTP request
 */
function message(msg, first) {
  const request = first && msg?.headers?.[':method'] ? asked(msg.headers) : undefined;
  return {
    ...request,
    id: msg?.id ?? undefined,
    body: msg?.body,
    headers: msg?.headers ?? {},
    attachments: msg?.attachments ?? {},
    passthrough: msg?.passthrough ?? {},
    metadata: msg?.metadata ?? {},
  };
}

/**
 * The request of a webhook, where components look for it.
 *
 * @param {Record<string, any>} headers
 */
function asked(headers) {
  return { method: headers[':method'], url: headers[':path'], query: headers[':query'] };
}

/** @param {any} value */
function isGenerator(value) {
  return typeof value?.next === 'function' && typeof value.throw === 'function' && typeof value.return === 'function';
}

/**
 * What a cancelled call's error becomes: that of whatever it was waiting for, told as the cancellation it is.
 *
 * @param {any} error
 * @param {string} shape
 */
function cancellation(error, shape) {
  const is = error?.name === 'AbortError' || error?.name === 'CancelledError';
  if (!is) return error;
  if (shape === 'listen') return undefined;
  return error.name === 'CancelledError' ? error : new CancelledError();
}

module.exports = { Call };
