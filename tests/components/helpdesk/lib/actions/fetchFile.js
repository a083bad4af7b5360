const { AttachmentProcessor } = require('@elastic.io/component-commons-library');
const { messages } = require('elasticio-node');

exports.process = async function processAction(msg) {
  const processor = new AttachmentProcessor();
  const { data } = await processor.getAttachment(msg.body.file, 'stream');
  const result = await processor.uploadAttachment(data);
  const { objectId } = result.data;
  const message = messages.newMessageWithBody({ ticket: msg.body.id });
  message.attachments.file = {
    url: `${process.env.ELASTICIO_OBJECT_STORAGE_URI}/objects/${objectId}?storage_type=maester`,
  };
  return message;
};
