const { call } = require('./lib/provider');

module.exports = async function verifyCredentials(credentials) {
  const { mode } = await call(credentials, 'GET', '/account');
  this.logger.info('the account is in %s mode', mode);
  return { verified: true };
};
