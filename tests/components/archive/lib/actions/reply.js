const { messages } = require('elasticio-node');

exports.process = async function (msg) {
  const { reply_to: replyTo } = msg.headers;
  if (replyTo) {
    const { responseBody, contentType = 'application/json', statusCode = 200, customHeaders = {} } = msg.body;
    const reply = messages.newMessageWithBody(responseBody);
    reply.headers['X-EIO-Routing-Key'] = replyTo;
    reply.headers['Content-Type'] = contentType;
    reply.headers['x-eio-status-code'] = statusCode;
    Object.assign(reply.headers, customHeaders);
    this.logger.info('Replying...');
    await this.emit('data', reply);
  }
  await this.emit('data', messages.newMessageWithBody(msg.body));
};
