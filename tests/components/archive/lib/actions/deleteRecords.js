const { ObjectStorage } = require('@elastic.io/maester-client');
const { messages } = require('elasticio-node');

exports.process = async function (msg) {
  const storage = new ObjectStorage({
    uri: process.env.ELASTICIO_OBJECT_STORAGE_URI,
    jwtSecret: process.env.ELASTICIO_OBJECT_STORAGE_TOKEN,
  });
  const all = { 'query[record]': msg.body.key };
  const [{ objectId }] = await storage.getAllByParams(all);
  await storage.deleteAllByParams(all);
  const left = await storage.getAllByParams(all);
  let code;
  try {
    await storage.getOne(objectId);
  } catch (error) {
    code = error.code;
  }
  await this.emit('data', messages.newMessageWithBody({ deleted: objectId, left: left.length, code }));
  await this.emit('end');
};
