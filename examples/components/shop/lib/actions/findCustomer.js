const { messages } = require('elasticio-node');
const shop = require('../shop');

exports.process = processAction;

function processAction(msg, cfg) {
  shop.get(cfg, `/customers?email=${encodeURIComponent(msg.body.email)}`, (err, customers) => {
    if (err) {
      this.emit('error', err);
    } else if (customers.length) {
      this.emit('data', messages.newMessageWithBody(customers[0]));
    } else {
      this.logger.info('nobody has the address %s', msg.body.email);
    }
    this.emit('end');
  });
}
