const Q = require('q');
const { messages } = require('elasticio-node');
const shop = require('../shop');

const BUSY = [429, 503];

exports.process = processAction;
exports.getWarehouses = getWarehouses;

function processAction(msg, cfg) {
  const self = this;

  function emitData(shipment) {
    self.emit('data', messages.newMessageWithBody({ shipment: shipment.id, warehouse: cfg.warehouse }));
  }

  function emitError(err) {
    console.log('The shipment of order %s was not created: %s', msg.body.order, err.message);
    self.emit(BUSY.includes(err.statusCode) ? 'rebound' : 'error', err);
  }

  function emitEnd() {
    self.emit('end');
  }

  Q.nfcall(shop.post, cfg, '/shipments', { order: msg.body.order, address: msg.body.address, from: cfg.warehouse })
    .then(emitData)
    .fail(emitError)
    .done(emitEnd);
}

/** The choices for the field `warehouse`: id → name. */
function getWarehouses(cfg, cb) {
  shop.get(cfg, '/warehouses', (err, warehouses) => {
    if (err) return cb(err);
    const choices = {};
    warehouses.forEach((warehouse) => {
      choices[warehouse.id] = `${warehouse.name} (${warehouse.city})`;
    });
    return cb(null, choices);
  });
}
