const { call } = require('../provider');

let account;

/** Once per host, before the step is ready: wrong credentials keep the flow from going live. */
exports.init = async function init(cfg) {
  account = await call(cfg, 'GET', '/account');
};

exports.process = async function processAction(msg, cfg) {
  const { payment, amount } = msg.body;
  this.logger.info({ payment, mode: account.mode }, 'refunding %s', payment);
  const headers = { 'idempotency-key': msg.id };
  const refund = await call(cfg, 'POST', `/payments/${payment}/refunds`, { body: { amount }, headers });
  return { body: { refund: refund.id } };
};
