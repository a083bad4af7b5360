const { messages } = require('elasticio-node');
const { attachments, encryptedStorage } = require('../utils');

exports.process = async function (msg) {
  const { reply_to: replyTo } = msg.headers;
  const { responseUrl, contentType } = msg.body;
  const objectId = await encryptedStorage().add(async () => (await attachments(msg).getAttachment(responseUrl, 'stream')).data);
  const reply = messages.newMessageWithBody({});
  reply.headers['X-EIO-Routing-Key'] = replyTo;
  reply.headers['Content-Type'] = contentType;
  reply.headers['x-ipaas-object-storage-id'] = objectId;
  await this.emit('data', reply);
  await this.emit('data', messages.newMessageWithBody(msg.body));
};
