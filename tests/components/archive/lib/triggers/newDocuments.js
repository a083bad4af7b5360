const { messages } = require('elasticio-node');
const { Client } = require('../client');
const { attachments } = require('../utils');

let client;

exports.process = async function (msg, cfg, snapshot) {
  client ||= new Client(this, cfg);
  client.logger = this.logger;
  let { last = 0 } = snapshot;
  this.logger.info('Going to look for documents after %d', last);

  const found = await client.request({ method: 'GET', url: '/documents', params: { after: last } });
  for (const { number, name, type } of found) {
    const processor = attachments(msg);
    const id = await processor.uploadAttachment(
      () => client.request({ method: 'GET', url: `/documents/${name}`, responseType: 'stream' }),
      { retriesCount: 2, requestTimeout: 10000 },
      type,
    );
    const message = messages.newMessageWithBody({ number, name });
    message.attachments[name] = { url: processor.getMaesterAttachmentUrlById(id), 'content-type': type };
    await this.emit('data', message);
    last = number;
    await this.emit('updateSnapshot', { last });
  }
  await this.emit('end');
};
