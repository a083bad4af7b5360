const { createHash } = require('crypto');
const { AttachmentProcessor, Logger } = require('@elastic.io/component-commons-library');
const { messages } = require('elasticio-node');

const logger = Logger.getLogger();

exports.process = async function processAction(msg) {
  const { data } = await new AttachmentProcessor().getAttachment(msg.attachments.file.url, 'arraybuffer');
  logger.info('%d bytes came', data.length);
  const sha256 = createHash('sha256').update(data).digest('hex');
  this.emit('data', messages.newMessageWithBody({ ticket: msg.body.ticket, size: data.length, sha256 }));
  this.emit('end');
};
