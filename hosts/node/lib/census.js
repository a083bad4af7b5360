'use strict';

/** What this process holds open: what the platform's leak guard counts after every call of a trigger. */

const fs = require('node:fs');
const { connections } = require('./connections');
const { Emitters } = require('./emitters');
const { Listeners } = require('./listeners');

const FDS = '/proc/self/fd';
const THREADS = '/proc/self/task';
const PAUSE = 20;

/** Node.js's names for what keeps a process alive, by the protocol's kinds. TCP is counted apart. */
const KINDS = {
  sockets: ['UDPWrap'],
  servers: ['TCPServerWrap', 'PipeServerWrap'],
  pipes: ['PipeWrap'],
  timers: ['Timeout'],
  processes: ['ProcessWrap'],
  watchers: ['FSEventWrap', 'StatWatcher'],
};
const KIND_OF = new Map(Object.entries(KINDS).flatMap(([kind, names]) => names.map((name) => [name, kind])));

/**
 * Counts by kind. What was open when it was made is the host's own and does not count, nor does what has been unref'd:
 * an idle connection of a pool, a timer that keeps nothing alive.
 */
class Census {
  #own = active();
  #files = new Set(listed(FDS));
  #listeners = new Listeners();
  /** @type {Emitters | undefined} */
  #emitters;
  #last = -PAUSE;

  /**
   * Begin to look at who listens to what, for a trigger that is called again and again.
   *
   * @param {string} folder the component's
   */
  watch(folder) {
    const emitters = new Emitters(folder);
    this.#listeners.watch((emitter, wrapper) => emitters.heard(emitter, wrapper));
    this.#emitters = emitters;
  }

  /** @param {number} call begins now */
  begin(call) {
    this.#emitters?.begin(call);
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
    // There is no public way to tell one connection from another.
    const { sockets, clients } = connections(/** @type {any} */ (process)._getActiveHandles());
    open.sockets += sockets;
    const emitters = this.#emitters?.inARow() ?? 0;
    return { ...open, clients, files: this.#openFiles(), listeners: this.#listeners.most(), emitters };
  }

  #openFiles() {
    let files = 0;
    for (const name of listed(FDS)) {
      if (!this.#files.has(name) && target(name).startsWith('/')) files += 1;
    }
    return files;
  }
}

function active() {
  /** @type {Record<string, number>} */
  const counted = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]));
  for (const name of process.getActiveResourcesInfo()) {
    const kind = KIND_OF.get(name);
    if (kind) counted[kind] += 1;
  }
  return { ...counted, threads: listed(THREADS).length };
}

/** @param {string} folder */
function listed(folder) {
  try {
    return fs.readdirSync(folder);
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
