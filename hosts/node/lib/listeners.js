'use strict';

/** Who listens to what, since `watch`: wraps `on` and its like for every emitter there is. */

const { EventEmitter } = require('node:events');

/**
 * The most listeners that one emitter has gained for one event since it was first looked at, at the end of the call that
 * made or found it. A sum would grow with every stream that is done with and not collected yet; the shared emitter that
 * gets one more at each call is what a leak looks like.
 */
class Listeners {
  /** @type {WeakSet<EventEmitter>} */
  #known = new WeakSet();
  /** @type {{emitter: WeakRef<EventEmitter>, before?: Map<string | symbol, number>}[]} */
  #emitters = [];

  /** @param {(emitter: EventEmitter, wrapper: Function) => void} heard told of each listener before it is added */
  watch(heard) {
    const { on, prependListener } = EventEmitter.prototype;
    const note = (/** @type {EventEmitter} */ emitter, /** @type {Function} */ wrapper) => {
      this.#note(emitter);
      heard(emitter, wrapper);
    };
    /** @type {any} */
    const noted = function (/** @type {any} */ ...args) {
      note(this, noted);
      return on.apply(this, args);
    };
    /** @type {any} */
    const prepended = function (/** @type {any} */ ...args) {
      note(this, prepended);
      return prependListener.apply(this, args);
    };
    EventEmitter.prototype.on = EventEmitter.prototype.addListener = noted;
    EventEmitter.prototype.prependListener = prepended;
  }

  /** @param {EventEmitter} emitter */
  #note(emitter) {
    if (this.#known.has(emitter)) return;
    this.#known.add(emitter);
    this.#emitters.push({ emitter: new WeakRef(emitter) });
  }

  most() {
    let most = 0;
    this.#emitters = this.#emitters.filter((each) => {
      const alive = each.emitter.deref();
      if (!alive) return false;
      const before = (each.before ??= new Map(listened(alive)));
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

module.exports = { Listeners };
