const { Calendar, getCalendars } = require('../calendar');

/** What is yielded is emitted; the loop goes on when it is stored. */
async function* processTrigger(msg, cfg, snapshot) {
  const events = await new Calendar(cfg).eventsAfter(cfg.calendar, snapshot.last || 0);
  for (const { number, ...event } of events) {
    yield { id: `${cfg.calendar}-${number}`, body: event };
    await this.emit('updateSnapshot', { last: number });
  }
}

module.exports = { process: processTrigger, getCalendars };
