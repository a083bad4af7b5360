const { AttachmentProcessor } = require('@elastic.io/component-commons-library');
const { ObjectStorage } = require('@elastic.io/maester-client');
const Encryptor = require('elasticio-sailor-nodejs/lib/encryptor');
const packageJson = require('../package.json');
const { version } = require('../component.json');

const userAgent = (library) => {
  const { name, dependencies } = packageJson;
  return `${name}/${version} ${library}/${dependencies[`@elastic.io/${library}`]}`;
};

exports.attachments = (msg) => new AttachmentProcessor(userAgent('component-commons-library'), msg.id);

/** The platform's own storage of what is encrypted. */
exports.encryptedStorage = () => {
  const encryptor = new Encryptor(process.env.ELASTICIO_MESSAGE_CRYPTO_PASSWORD, process.env.ELASTICIO_MESSAGE_CRYPTO_IV);
  return new ObjectStorage({
    uri: process.env.ELASTICIO_OBJECT_STORAGE_URI,
    jwtSecret: process.env.ELASTICIO_OBJECT_STORAGE_TOKEN,
    userAgent: userAgent('maester-client'),
  }).use(() => encryptor.createCipher(), () => encryptor.createDecipher());
};

exports.userAgent = userAgent;
