exports.process = async function processAction(msg, cfg) {
  const { status = 200, content } = msg.body;
  const headers = { 'Content-Type': cfg.contentType, 'x-eio-status-code': status };
  await this.emit('httpReply', { headers, body: content });
  await this.emit('data', msg);
};
