const { messages } = require('elasticio-node');

/** A body of a few megabytes. */
exports.process = function (msg) {
  const rows = Array.from({ length: Number(msg.body.rows) }, (_, number) => ({ number, text: `row ${number} `.repeat(20) }));
  messages.emitData.call(this, { rows });
  messages.emitEnd.call(this);
};
