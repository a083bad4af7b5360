const { Client } = require('./lib/client');

module.exports = async function verifyCredentials(credentials) {
  try {
    await new Client(this, credentials).request({ method: 'GET', url: '/documents' });
    this.logger.info('Verification passed');
    return { verified: true };
  } catch (error) {
    this.logger.error('Verification failed');
    throw error;
  }
};
