'use strict';

/** Called for every message. Throw to fail; what is emitted goes to the next steps. */
exports.process = async function (msg, cfg) {
  this.logger.info('greeting %s', msg.body.name);
  await this.emit('data', { body: { text: `${cfg.greeting}, ${msg.body.name}!` } });
};
