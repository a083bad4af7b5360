const { Readable } = require('stream');
const { AttachmentProcessor } = require('@elastic.io/component-commons-library');
const { messages } = require('elasticio-node');
const papa = require('papaparse');

async function processAction(msg, cfg) {
  const { rows } = msg.body;
  const text = papa.unparse(rows, { header: Boolean(cfg.header), escapeFormulae: true });

  const processor = new AttachmentProcessor('csv-component/3.0.0', msg.id);
  const id = await processor.uploadAttachment(async () => Readable.from([text]), {}, 'text/csv');

  const output = messages.newMessageWithBody({ rows: rows.length });
  output.attachments[cfg.fileName || 'rows.csv'] = {
    url: processor.getMaesterAttachmentUrlById(id),
    'content-type': 'text/csv',
    size: Buffer.byteLength(text),
  };
  await this.emit('data', output);
}

module.exports.process = processAction;
