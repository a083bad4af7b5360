'use strict';

/** What this process holds open: what the platform's leak guard counts after every call of a trigger. */

const { EventEmitter } = require('node:events');
const fs = require('node:fs');

const FDS = '/proc/self/fd';
const PAUSE = 20;

/** Node.js's names for what keeps a process alive, by the protocol's kinds. */
const KINDS = {
  sockets: ['TCPSocketWrap', 'UDPWrap'],
  servers: ['TCPServerWrap', 'PipeServerWrap'],
  pipes: ['PipeWrap'],
  timers: ['Timeout'],
  processes: ['ProcessWrap'],
  watchers: ['FSEventWrap', 'StatWatcher'],
  threads: ['MessagePort'],
};
const KIND_OF = new Map(Object.entries(KINDS).flatMap(([kind, names]) => names.map((name) => [name, kind])));

/**
 * Counts by kind. What was open when it was made is the host's own and does not count, nor does what has been unref'd:
 * an idle connection of a pool, a timer that keeps nothing alive.
 */
class Census {
  #own = active();
  #files = new Set(descriptors());
  #listeners = new Listeners();
  #last = -PAUSE;

  /** Begin to count listeners, for a trigger that is called again and again. */
  watch() {
    this.#listeners.watch();
  }

  /** Whether to count now: calls that end in quick succession share a census. */
  due() {
    const now = performance.now();
    if (now - this.#last < PAUSE) return false;
    this.#last = now;
    return true;
  }

  /** @returns {Record<string, number>} what component code holds open now */
  count() {
    const open = active();
    for (const kind of Object.keys(open)) open[kind] = Math.max(0, open[kind] - this.#own[kind]);
    return { ...open, files: this.#openFiles(), listeners: this.#listeners.most() };
  }

  #openFiles() {
    let files = 0;
    for (const name of descriptors()) {
      if (!this.#files.has(name) && target(name).startsWith('/')) files += 1;
    }
    return files;
  }
}

/**
 * The largest number of listeners that one emitter has for one event. A sum would grow with every stream that is done
 * with and not collected yet; the shared emitter that gets one more at each call is what a leak looks like.
 */
class Listeners {
  /** @type {WeakSet<EventEmitter>} */
  #known = new WeakSet();
  /** @type {{emitter: WeakRef<EventEmitter>, before: Map<string | symbol, number>}[]} */
  #emitters = [];

  watch() {
    const { on, prependListener } = EventEmitter.prototype;
    const note = (/** @type {EventEmitter} */ emitter) => this.#note(emitter);
    /** @type {any} */
    const noted = function (/** @type {any} */ ...args) {
      note(this);
      return on.apply(this, args);
    };
    EventEmitter.prototype.on = EventEmitter.prototype.addListener = noted;
    EventEmitter.prototype.prependListener = /** @type {any} */ (
      function (/** @type {any} */ ...args) {
        note(this);
        return prependListener.apply(this, args);
      }
    );
  }

  /** @param {EventEmitter} emitter */
  #note(emitter) {
    if (this.#known.has(emitter)) return;
    this.#known.add(emitter);
    this.#emitters.push({ emitter: new WeakRef(emitter), before: new Map(listened(emitter)) });
  }

  most() {
    let most = 0;
    this.#emitters = this.#emitters.filter(({ emitter, before }) => {
      const alive = emitter.deref();
      if (!alive) return false;
      for (const [event, listeners] of listened(alive)) most = Math.max(most, listeners - (before.get(event) ?? 0));
      return true;
    });
    return most;
  }
}

/**
 * @param {EventEmitter} emitter
 * @returns {[string | symbol, number][]} its events with the number of their listeners
 */
function listened(emitter) {
  const { eventNames, listenerCount } = EventEmitter.prototype;
  return eventNames.call(emitter).map((event) => [event, listenerCount.call(emitter, event)]);
}

function active() {
  /** @type {Record<string, number>} */
  const counted = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]));
  for (const name of process.getActiveResourcesInfo()) {
    const kind = KIND_OF.get(name);
    if (kind) counted[kind] += 1;
  }
  return counted;
}

function descriptors() {
  try {
    return fs.readdirSync(FDS);
  } catch {
    return [];
  }
}

/** @param {string} descriptor */
function target(descriptor) {
  try {
    return fs.readlinkSync(`${FDS}/${descriptor}`);
  } catch {
    return '';
  }
}

module.exports = { Census };
