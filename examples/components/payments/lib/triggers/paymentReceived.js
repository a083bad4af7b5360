const { timingSafeEqual } = require('node:crypto');
const { call } = require('../provider');

exports.startup = startup;
exports.shutdown = shutdown;
exports.process = processTrigger;

/** Once, when the flow starts. What it returns is kept and given to `shutdown`. */
async function startup(cfg) {
  const { id } = await call(cfg, 'POST', '/webhooks', { body: { url: process.env.ELASTICIO_FLOW_WEBHOOK_URI } });
  return { subscription: id };
}

/** Once, when the flow stops. */
async function shutdown(cfg, { subscription }) {
  await call(cfg, 'DELETE', `/webhooks/${subscription}`);
}

/** For each request. With a GET the provider only asks whether somebody is there. */
async function processTrigger(msg, cfg) {
  const answer = async (statusCode, body) => {
    if (msg.headers.reply_to) await this.emit('httpReply', { statusCode, body });
  };

  if (msg.method === 'GET') {
    await answer(200, msg.query.challenge);
  } else if (!same(msg.headers['x-webhook-secret'], cfg.secret)) {
    this.logger.warn('a request without the secret was refused');
    await answer(401, { error: 'who are you?' });
  } else if (!wanted(cfg.currencies, msg.body.currency)) {
    await answer(204);
  } else {
    const { id, amount, currency } = msg.body;
    await this.emit('data', { id: `payment-${id}`, body: { payment: id, amount, currency } });
  }
}

function wanted(currencies, currency) {
  return !currencies || !currencies.length || currencies.includes(currency);
}

function same(given, wanted) {
  const [a, b] = [Buffer.from(given || ''), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
