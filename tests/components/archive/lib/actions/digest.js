const { createHash } = require('crypto');
const { JsonataTransform } = require('@elastic.io/component-commons-library');
const { messages } = require('elasticio-node');
const { attachments } = require('../utils');

async function digestOf(data) {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of Buffer.isBuffer(data) ? [data] : data) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { sha256: hash.digest('hex'), size };
}

exports.process = async function (msg, cfg) {
  const { responseType = 'stream' } = cfg;
  const body = { ...msg.body, files: {} };
  for (const [name, { url }] of Object.entries(msg.attachments)) {
    const { data } = await attachments(msg).getAttachment(url, responseType);
    body.files[name] = await digestOf(data);
  }
  const message = messages.newMessageWithBody(JsonataTransform.jsonataTransform({ ...msg, body }, cfg, this));
  message.attachments = msg.attachments;
  return message;
};

exports.getMetaModel = async () => ({
  in: { type: 'object', properties: {} },
  out: { type: 'object', properties: { sha256: { type: 'string' } } },
});
