import { events } from '../stream.js';

/** Called once, and again after a pause when the stream ends or breaks. */
export async function listen(cfg, snapshot) {
  const { lastId } = snapshot;
  this.logger.info('listening for positions after %s', lastId ?? 'now');
  for await (const { id, data } of events(`${cfg.url}/positions`, { lastId, signal: this.signal })) {
    await this.emit('data', { id: `position-${id}`, body: data });
    await this.emit('updateSnapshot', { lastId: id });
  }
}
