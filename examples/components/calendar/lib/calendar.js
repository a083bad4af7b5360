class Calendar {
  constructor(cfg) {
    this.server = cfg.server;
    this.token = cfg.oauth.access_token;
  }

  list() {
    return this.call('GET', '/calendars');
  }

  eventsAfter(calendar, number) {
    return this.call('GET', `/calendars/${calendar}/events?after=${number}`);
  }

  add(calendar, event) {
    return this.call('POST', `/calendars/${calendar}/events`, event);
  }

  async call(method, path, body) {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const response = await fetch(this.server + path, { method, headers, body: body && JSON.stringify(body) });
    if (response.ok) return response.json();
    const error = new Error(`The calendar answered ${response.status} to ${method} ${path}`);
    error.statusCode = response.status;
    throw error;
  }
}

/** The choices for the field `calendar`, in triggers and actions. */
async function getCalendars(cfg) {
  const calendars = await new Calendar(cfg).list();
  return Object.fromEntries(calendars.map(({ id, name }) => [id, name]));
}

module.exports = { Calendar, getCalendars };
