const { AttachmentProcessor } = require('@elastic.io/component-commons-library');
const { messages } = require('elasticio-node');
const papa = require('papaparse');

async function processAction(msg, cfg) {
  const [attachment] = Object.values(msg.attachments || {});
  const url = msg.body.url || (attachment && attachment.url);
  if (!url) throw new Error('There is no address in `url`, and no attachment');

  this.logger.info('reading %s', url);
  const { data } = await new AttachmentProcessor('csv-component/3.0.0', msg.id).getAttachment(url, 'stream');
  const rows = data.pipe(
    papa.parse(papa.NODE_STREAM_INPUT, {
      header: true,
      dynamicTyping: true,
      skipEmptyLines: true,
      delimiter: cfg.delimiter || '',
    }),
  );

  const all = [];
  for await (const row of rows) {
    if (cfg.emit === 'all') all.push(row);
    else await this.emit('data', messages.newMessageWithBody(row));
  }
  if (cfg.emit === 'all') await this.emit('data', messages.newMessageWithBody({ rows: all }));
}

module.exports.process = processAction;
