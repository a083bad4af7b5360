// Calls the object storage the way components do, by the public packages themselves. Prints what came of it as JSON.
const { Readable } = require('stream');
const { createHash, randomBytes } = require('crypto');

const { ObjectStorage, ObjectStorageWrapper } = require('@elastic.io/maester-client');
const { AttachmentProcessor } = require('@elastic.io/component-commons-library');
const rest = require('elasticio-rest-node');

const uri = process.env.ELASTICIO_OBJECT_STORAGE_URI;
const token = process.env.ELASTICIO_OBJECT_STORAGE_TOKEN;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const sha = (data) => createHash('sha256').update(data).digest('hex');

async function refused(promise) {
  try {
    await promise;
    return 'not refused';
  } catch (error) {
    return error.code || error.message;
  }
}

async function gathered(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function wrapper() {
  const storage = new ObjectStorageWrapper({ logger: quiet }, 'test', 'message');
  const one = await storage.createObject({ a: 1 }, [{ key: 'colour', value: 'red' }], [{ key: 'note', value: 'n' }], 60);
  const two = await storage.createObject([1, null, 'x'], [{ key: 'colour', value: 'red' }, { key: 'size', value: 'l' }]);
  const read = [await storage.lookupObjectById(one), await storage.lookupObjectById(two)];
  const headers = await storage.getObjectHeaders(one);
  const found = await storage.lookupObjectsByQueryParameters([{ key: 'colour', value: 'red' }]);
  const narrow = await storage.lookupObjectsByQueryParameters([{ key: 'colour', value: 'red' }, { key: 'size', value: 'l' }]);
  const updated = await storage.updateObjectById(one, { a: 2 }, [{ key: 'colour', value: 'blue' }], [{ key: 'more', value: 'm' }]);
  const after = await storage.getObjectHeaders(one);
  const reread = await storage.lookupObjectById(one);
  await storage.deleteObjectById(one);
  const gone = await refused(storage.lookupObjectById(one));
  await storage.deleteObjectsByQueryParameters([{ key: 'colour', value: 'red' }]);
  const none = await storage.lookupObjectsByQueryParameters([{ key: 'colour', value: 'red' }]);
  return {
    read,
    reread,
    gone,
    none,
    type: headers['content-type'],
    query: [headers['x-query-colour'], after['x-query-colour']],
    meta: [headers['x-meta-note'], after['x-meta-note'], after['x-meta-more']],
    found: found.map((each) => each.objectId === one || each.objectId === two),
    narrow: narrow.map((each) => [each.objectId === two, each.contentType, each.queriableFields]),
    updated: [updated.objectId === one, updated.contentType],
  };
}

async function plain() {
  const storage = new ObjectStorage({ uri, jwtSecret: token, userAgent: 'test' });
  const values = ['text', 56, null, { deep: [{}] }];
  const read = [];
  for (const value of values) read.push((await storage.getOne(await storage.add(value))).data);
  const data = randomBytes(3 * 1024 * 1024 + 17);
  const large = await storage.add(async () => Readable.from([data.subarray(0, 1000), data.subarray(1000)]));
  const buffer = (await storage.getOne(large, { responseType: 'arraybuffer' })).data;
  const stream = await gathered((await storage.getOne(large, { responseType: 'stream' })).data);
  const gif = Buffer.from('GIF89a', 'ascii');
  const image = await storage.add(async () => Readable.from([Buffer.concat([gif, data.subarray(0, 9000)])]));
  const headers = await storage.getHeaders(image);
  const update = await storage.update(image, { now: 'json' });
  await storage.deleteOne(large);
  const stranger = new ObjectStorage({ uri, jwtSecret: 'not-a-token' });
  const tooMuch = new ObjectStorage({ uri, jwtSecret: token });
  return {
    read,
    same: [sha(buffer) === sha(data), sha(stream) === sha(data)],
    types: [headers['content-type'], update.contentType],
    refused: [
      await refused(storage.getOne(large)),
      await refused(storage.deleteOne('obj~nothing')),
      await refused(storage.getOne('no/such id!')),
      await refused(stranger.getOne(image)),
      await refused(tooMuch.add(async () => Readable.from([randomBytes(9 * 1024 * 1024)]))),
      await refused(storage.getAllByParams({ colour: 'red' })),
    ],
  };
}

async function attachments() {
  const processor = new AttachmentProcessor('test', 'message');
  const data = randomBytes(700 * 1024);
  const id = await processor.uploadAttachment(async () => Readable.from([data]), {}, 'application/x-test');
  const url = processor.getMaesterAttachmentUrlById(id);
  const { data: whole } = await processor.getAttachment(url, 'arraybuffer');
  const { data: stream } = await processor.getAttachment(url, 'stream');
  return { url, same: [sha(whole) === sha(data), sha(await gathered(stream)) === sha(data)] };
}

async function steward() {
  const client = rest(process.env.ELASTICIO_API_USERNAME, process.env.ELASTICIO_API_KEY);
  const urls = await client.resources.storage.createSignedUrl();
  const put = await fetch(urls.put_url, { method: 'PUT', body: 'from a steward', headers: { 'content-type': 'text/plain' } });
  const processor = new AttachmentProcessor('test', 'message');
  const { data } = await processor.getAttachment(urls.get_url, 'text');
  const writing = await fetch(urls.get_url, { method: 'PUT', body: 'x' });
  const deleting = await fetch(urls.put_url, { method: 'DELETE' });
  return { put: put.status, data, expires: urls.expires, others: [writing.status, deleting.status] };
}

async function main() {
  const parts = { wrapper, plain, attachments, steward };
  const result = {};
  for (const [name, part] of Object.entries(parts)) result[name] = await part();
  process.stdout.write(JSON.stringify(result));
  process.exit(0);
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
