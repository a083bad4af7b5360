const Q = require('q');
const { messages } = require('elasticio-node');
const HelpdeskClient = require('../client');

exports.process = function processAction(msg, cfg) {
  const self = this;
  const client = new HelpdeskClient(self, cfg);

  Q()
    .then(() => client.lookup('tickets', msg.body.id))
    .then((ticket) => {
      self.logger.info('Found a ticket');
      self.emit('data', messages.newMessageWithBody(ticket));
    })
    .fail((error) => self.emit('error', error))
    .done(() => self.emit('end'));
};
