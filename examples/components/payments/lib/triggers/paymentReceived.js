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
  if (msg.method === 'GET') {
    await this.emit('httpReply', { headers: { 'Content-Type': 'text/plain' }, body: msg.query.challenge });
    return;
  }
  if (!same(msg.headers['x-webhook-secret'], cfg.secret)) {
    this.logger.warn('a request without the secret was refused');
    if (msg.headers.reply_to) await this.emit('httpReply', { statusCode: 401, body: { error: 'who are you?' } });
    return;
  }
  const { id, amount, currency } = msg.body;
  if (cfg.currencies && cfg.currencies.length && !cfg.currencies.includes(currency)) return;
  await this.emit('data', { id: `payment-${id}`, body: { payment: id, amount, currency } });
}

function same(given, wanted) {
  const [a, b] = [Buffer.from(given || ''), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
