const { ObjectStorageWrapper } = require('@elastic.io/maester-client');
const { messages } = require('elasticio-node');
const { userAgent } = require('../utils');

const TTL = 120;

/** Looks a record up by its key; it is changed where there is one, and else created. */
exports.process = async function (msg) {
  const { key, value } = msg.body;
  const storage = new ObjectStorageWrapper(this, userAgent('maester-client'), msg.id);
  const found = await storage.lookupObjectsByQueryParameters([{ key: 'record', value: key }]);
  if (found.length > 1) throw new Error('Several records with the same key can not exist');
  let id;
  let times = 1;
  if (found.length) {
    id = found[0].objectId;
    times += (await storage.lookupObjectById(id)).times;
    await storage.updateObjectById(id, { key, value, times }, [{ key: 'record', value: key }]);
  } else {
    id = await storage.createObject({ key, value, times }, [{ key: 'record', value: key }], [{ key: 'by', value: 'archive' }], TTL);
  }
  const headers = await storage.getObjectHeaders(id);
  await this.emit('data', messages.newMessageWithBody({
    id, record: await storage.lookupObjectById(id), type: headers['content-type'], by: headers['x-meta-by'],
  }));
};
