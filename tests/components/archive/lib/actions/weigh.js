const { createHash } = require('crypto');
const { messages } = require('elasticio-node');
const log = require('elasticio-sailor-nodejs/lib/logging');

exports.process = async function ({ body }) {
  const text = JSON.stringify(body.rows);
  log.info('%d characters came', text.length);
  return messages.newMessageWithBody({ rows: body.rows.length, size: text.length, sha256: createHash('sha256').update(text).digest('hex') });
};
