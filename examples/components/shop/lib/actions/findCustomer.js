const { messages } = require('elasticio-node');
const shop = require('../shop');

exports.process = processAction;

function processAction(msg, cfg) {
  const self = this;

  shop.get(cfg, `/customers?email=${encodeURIComponent(msg.body.email)}`, (err, customers) => {
    if (err) {
      self.emit('error', err);
    } else if (customers.length) {
      self.emit('data', messages.newMessageWithBody(customers[0]));
    } else {
      self.logger.info('nobody has the address %s', msg.body.email);
    }
    self.emit('end');
  });
}
