const co = require('co');
const Q = require('q');
const { messages } = require('elasticio-node');
const shop = require('../shop');

exports.process = processTrigger;

/** Emit what was ordered since the last call. The snapshot holds the number of the last order. */
function processTrigger(msg, cfg, snapshot) {
  const self = this;

  return co(function* getOrders() {
    const path = `/orders?after=${snapshot.lastOrder || 0}&country=${cfg.country || ''}`;
    const orders = yield Q.nfcall(shop.get, cfg, path);
    console.log('%d new orders', orders.length);

    for (const order of orders) {
      yield self.emit('data', messages.newMessageWithBody(order));
      yield self.emit('snapshot', { lastOrder: order.number });
    }
  });
}
