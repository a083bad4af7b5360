import { EventEmitter } from 'node:events';
import { events } from '../stream.js';

let listener;

/** Called again and again: only the first call opens the stream, and the next one after it broke. */
export function process(msg, cfg) {
  if (listener) return;
  listener = createListener(`${cfg.url}/alarms`);
  listener.on('alarm', ({ id, data }) => this.emit('data', { id: `alarm-${id}`, body: data }));
  listener.on('close', (reason) => {
    this.logger.warn('the stream of alarms ended: %s', reason);
    listener = undefined;
  });
}

function createListener(url) {
  const emitter = new EventEmitter();
  const forward = async () => {
    for await (const event of events(url, {})) emitter.emit('alarm', event);
  };
  forward().then(
    () => emitter.emit('close', 'by the server'),
    (error) => emitter.emit('close', error.message),
  );
  return emitter;
}
