'use strict';

/**
 * The host: takes the worker's frames, runs calls, answers, and stops when told.
 *
 *     starting ──load──▶ ready ──stop, SIGTERM──▶ stopping ──all has ended, or the deadline──▶ exit 0, or 1
 *         └── load or init failed ──▶ fatal, exit 1      an exception nobody caught: fatal; worker gone: exit
 */

const { toJson } = require('./body');
const { Call } = require('./call');
const { Census } = require('./census');
const { EmitError } = require('./errors');
const { failure } = require('./failure');
const { frame, parse } = require('./frames');
const { answer, verification } = require('./hooks');
const { load } = require('./loading');
const { Log } = require('./log');
const { Outbox } = require('./outbox');
const { Transport } = require('./transport');
const { version } = require('../package.json');

/** @typedef {import('./loading').Component} Component */
/** @typedef {Record<string, any>} Frame */
/** @typedef {(this: unknown, ...args: any[]) => any} Function_ */

const STOP_WITHIN = 10;
const QUIET_AFTER = 10;
const CALL_MAX = 30;

/** One step's host. It lives until it ends the process itself. */
class Host {
  flow = '';
  flowId = '';
  step = '';
  isTrigger = false;
  /** Whether its function is called again and again, with no message: a trigger that polls or listens. */
  repeats = false;
  quietAfter = QUIET_AFTER * 1000;
  callMax = CALL_MAX * 1000;
  /** @type {Record<string, any>} */
  #cfg = {};
  /** @type {Component | null} */
  #component = null;
  #concurrency = 1;
  /** @type {Map<number, Call>} begun and not finished */
  #calls = new Map();
  /** @type {Call[]} */
  #queue = [];
  #running = 0;
  #pumping = false;
  #stop = new AbortController();
  #stopping = false;
  /** @type {'starting' | 'loading' | 'ready' | 'leaving'} */
  #state = 'starting';

  /**
   * @param {import('node:net').Socket} socket
   * @param {string} folder the component's
   */
  constructor(socket, folder) {
    this.folder = folder;
    this.#census = new Census();
    this.#transport = new Transport(
      socket,
      (lines) => this.#onLines(lines),
      (why) => this.#onLost(why),
    );
    this.log = new Log(this.#transport);
    this.outbox = new Outbox(this.#transport, this.log);
    process.on('SIGINT', () => {}); // a Ctrl-C in a terminal is the platform's business
    process.on('uncaughtException', (error) => this.#fatal(error));
    process.on('unhandledRejection', (reason) => this.#onRejection(reason));
    process.on('exit', (code) => this.#onExit(code));
  }

  #census;
  #transport;

  /** Aborted when the host begins to stop. */
  get stopped() {
    return this.#stop.signal;
  }

  // -- the worker's frames

  /** @param {string[]} lines */
  #onLines(lines) {
    for (const line of lines) {
      const received = parse(line);
      try {
        this.#handle(received);
      } catch (problem) {
        // A frame without a key it must have: the others still count.
        this.log.write('error', `the host could not handle a frame: ${line.slice(0, 200)}`, undefined, {
          error: problem,
        });
      }
    }
    this.#pump();
  }

  /** @param {Frame} received */
  #handle(received) {
    switch (received.type) {
      case 'call':
        return this.#onCall(received);
      case 'emitted':
        return this.#onEmitted(received);
      case 'hook':
        return this.#onHook(received);
      case 'cancel':
        return this.#onCancel(received);
      case 'load':
        return this.#onLoad(received);
      case 'stop':
        return this.stop(received.within);
      default:
        if (this.log.threshold <= 20) {
          this.log.write('debug', `a frame of unknown type '${received.type}' was ignored`);
        }
    }
  }

  /** @param {Frame} received */
  #onLoad(received) {
    this.flow = received.flow ?? '';
    this.flowId = received.flow_id ?? '';
    this.step = received.step ?? '';
    this.isTrigger = received.kind === 'trigger';
    this.repeats = this.isTrigger && received.trigger_type !== 'webhook';
    this.quietAfter = (received.quiet_after ?? QUIET_AFTER) * 1000;
    this.callMax = (received.call_max ?? CALL_MAX) * 1000;
    this.#cfg = received.cfg ?? {};
    this.#concurrency = Math.max(1, received.concurrency ?? 1);
    this.log.setLevel(received.log_level);
    this.#state = 'loading';
    this.#load(received).catch((problem) => this.#fatal(problem));
  }

  /** @param {Frame} received */
  async #load(received) {
    const component = await load(this.folder, received.main, received.kind, received.trigger_type);
    if (received.check) {
      await component.verifyCredentials()?.catch((problem) => this.#fatal(problem, 'verify_credentials'));
    } else if (component.hooks.init) {
      const init = new Call(this, { call: 0 }, component.hooks.init, 'init');
      await answer(init.main, init.context, this.cfgFor({}), undefined).catch((problem) => this.#fatal(problem, 'init'));
    }
    if (this.#stopping || this.#state === 'leaving') return;
    this.#component = component;
    this.#state = 'ready';
    process.on('SIGTERM', () => this.stop(STOP_WITHIN)); // until now it ends the process at once
    if (this.repeats) this.#census.watch(this.folder);
    const { shape, hookNames: hooks } = component;
    this.#transport.send(frame({ type: 'ready', shape, hooks, language: 'node', sdk: version }));
  }

  /** @param {Frame} received */
  #onCall(received) {
    const component = this.#component;
    if (!component || this.#stopping) return;
    const call = new Call(this, received, component.main, component.shape);
    this.#queue.push(call);
  }

  /** @param {Frame} received */
  #onHook(received) {
    const component = this.#component;
    if (!component || this.#stopping) return;
    const call = new Call(this, received, () => {}, 'hook');
    this.#calls.set(call.number, call);
    call.begin();
    this.#runHook(component, call).then(
      (result) => this.#endHook(call, result),
      (problem) => this.finish(call, problem),
    );
  }

  /** @param {Frame} received */
  #onEmitted(received) {
    this.outbox.settle(received);
    this.#noticeIdle();
  }

  /** @param {Frame} received */
  #onCancel(received) {
    const waiting = this.#queue.findIndex((call) => call.number === received.call);
    if (waiting >= 0) this.#queue.splice(waiting, 1)[0].cancel();
    else this.#soon(() => this.#calls.get(received.call)?.cancel());
  }

  /** @param {string} why */
  #onLost(why) {
    const clean = this.#stopping && !this.#calls.size;
    if (!this.#stopping) process.stderr.write(`host: ${why}\n`);
    this.#state = 'leaving';
    process.exit(clean ? 0 : 1);
  }

  // -- running calls

  /** Begin calls that wait, in the order they came, as many as may run at once. */
  #pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#queue.length && this.#running < this.#concurrency && !this.#stopping) {
      const call = /** @type {Call} */ (this.#queue.shift());
      this.#calls.set(call.number, call);
      this.#running += 1;
      this.#transport.flush(); // its code may hold the event loop for long
      this.#census.begin(call.number);
      call.run();
    }
    this.#pumping = false;
  }

  /**
   * Send an emission of `call`, or refuse it when nobody would take it.
   *
   * @param {Call} call
   * @param {string} event
   * @param {string} keys
   */
  emit(call, event, keys) {
    if (call.shape === 'init') {
      return this.outbox.refused(call, new EmitError('no-call', 'init belongs to no message and cannot emit'));
    }
    if (this.#stopping && (call.isOver || !this.#calls.has(call.number))) {
      return this.outbox.refused(call, new EmitError('stopping', 'the host is stopping and this call has ended'));
    }
    return this.outbox.emit(call, event, keys);
  }

  /**
   * A call is over: send its end.
   *
   * @param {Call} call
   * @param {unknown} error
   */
  finish(call, error) {
    const begun = this.#calls.delete(call.number);
    const us = call.shape === 'hook' ? call.microseconds : call.us;
    if (error === undefined) this.#transport.send(`{"type":"end","call":${call.number},"us":${us}}\n`);
    else this.#transport.send(frame({ type: 'end', call: call.number, error: failure(error), us }));
    if (call.shape !== 'hook') {
      if (begun) this.#running -= 1;
      if (this.repeats && this.#census.due()) {
        this.#transport.send(frame({ type: 'census', call: call.number, open: this.#census.count() }));
      }
    }
    if (this.#stopping) this.#noticeIdle();
    else this.#pump();
  }

  /**
   * A call's code failed when the call was over already.
   *
   * @param {Call} call
   * @param {unknown} error
   */
  failedLate(call, error) {
    this.log.write('error', 'the function failed after its end', call.number, { stack: error });
  }

  /**
   * The configuration for a call: its own, or a copy of the one it was loaded with.
   *
   * @param {Frame} received
   */
  cfgFor(received) {
    return received.cfg ?? structuredClone(this.#cfg);
  }

  // -- hooks

  /**
   * @param {Component} component
   * @param {Call} call
   * @returns {Promise<unknown>}
   */
  async #runHook(component, call) {
    const { hook, name, data } = call.frame;
    const cfg = this.cfgFor(call.frame);
    if (hook === 'verify_credentials') {
      const verify = await component.verifyCredentials();
      return verify ? verification(verify, call.context, cfg) : null;
    }
    const found = hook === 'select_model' ? component.selectModel(name) : component.hooks[hook];
    return found ? answer(found, call.context, cfg, hook === 'shutdown' ? (data ?? {}) : undefined) : null;
  }

  /**
   * @param {Call} call
   * @param {unknown} result
   */
  #endHook(call, result) {
    let text;
    try {
      text = result === undefined ? 'null' : toJson(result, 'result');
    } catch (problem) {
      this.finish(call, problem);
      return;
    }
    this.#calls.delete(call.number);
    this.#transport.send(`{"type":"end","call":${call.number},"us":${call.microseconds},"result":${text}}\n`);
    this.#noticeIdle();
  }

  // -- the end

  /**
   * Begin to stop; what has not ended by nine tenths of `within` seconds is abandoned. Safe twice.
   *
   * @param {number} [within]
   */
  stop(within = STOP_WITHIN) {
    if (this.#stopping || this.#state === 'leaving') return;
    this.#stopping = true;
    this.#queue = []; // what has not begun gets no end: whoever sent it still holds its input
    setTimeout(() => this.#giveUp(within * 0.9), within * 900);
    this.#soon(() => {
      this.#stop.abort();
      for (const call of [...this.#calls.values()]) {
        if (call.shape === 'listen') call.cancel();
        else if (this.repeats) call.endQuietly();
      }
      this.#noticeIdle();
    });
  }

  /**
   * Code that has just been answered gets to see the answer first.
   *
   * @param {() => void} action
   */
  #soon(action) {
    setImmediate(action);
  }

  #noticeIdle() {
    if (!this.#stopping || this.#calls.size || this.outbox.size) return;
    // Whoever has just been answered gets to act on it.
    setImmediate(() => {
      if (!this.#calls.size && !this.outbox.size) this.#exit(0);
    });
  }

  /** @param {number} seconds */
  #giveUp(seconds) {
    for (const call of this.#calls.values()) {
      this.log.write('error', `this call did not end within ${seconds.toFixed(1)} s of the stop`, call.number);
    }
    if (this.outbox.size) {
      const text = `${this.outbox.size} emissions were not answered before the host had to stop`;
      this.log.write('error', text);
    }
    this.#exit(1);
  }

  /**
   * @param {unknown} problem loading failed, or nobody caught it: the process is in an unknown state
   * @param {string} [hook] the one that failed
   */
  #fatal(problem, hook) {
    if (this.#state === 'leaving') return;
    this.#transport.send(frame({ type: 'fatal', error: failure(problem), hook }));
    this.#exit(1);
  }

  /**
   * A promise that nobody waited for: what it was part of has ended by itself, and components leave many behind.
   *
   * @param {unknown} reason
   */
  #onRejection(reason) {
    const { name, message } = failure(reason);
    const text = `a promise was rejected, and nobody handled it: ${name}: ${message}`;
    this.log.write(reason instanceof EmitError ? 'warn' : 'error', text, undefined, { stack: reason });
  }

  /** @param {number} code */
  #exit(code) {
    if (this.#state === 'leaving') return;
    this.#state = 'leaving';
    this.#transport.close(() => process.exit(code));
  }

  /** @param {number} code */
  #onExit(code) {
    if (this.#state === 'leaving') return;
    const text = `the component called process.exit(${code})`;
    if (this.#state === 'loading') {
      const error = { name: 'ProcessExit', message: `${text} while it was loaded`, stack: '' };
      this.#transport.send(frame({ type: 'fatal', error }));
      process.exitCode = 1;
    } else {
      this.log.write('error', text);
    }
    this.#transport.flush();
  }
}

module.exports = { Host };
