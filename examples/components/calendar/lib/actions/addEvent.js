const { Calendar, getCalendars } = require('../calendar');

async function processAction(msg, cfg) {
  const { title, day } = msg.body;
  try {
    const added = await new Calendar(cfg).add(cfg.calendar, { title, day });
    return { body: added };
  } catch (error) {
    if (error.statusCode !== 401) throw error;
    return this.emit('rebound', error);
  }
}

module.exports = { process: processAction, getCalendars };
