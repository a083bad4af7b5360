const shop = require('./lib/shop');

module.exports = verify;

/** Ask the shop who we are. */
function verify(credentials, cb) {
  shop.get(credentials, '/me', (err, me) => {
    if (err) return cb(null, { verified: false, reason: err.message });
    console.log('Signed in as %s', me.name);
    return cb(null, { verified: true });
  });
}
