const { Calendar } = require('./lib/calendar');

module.exports = function verifyCredentials(credentials) {
  return new Calendar(credentials).list().then(() => ({ verified: true }));
};
