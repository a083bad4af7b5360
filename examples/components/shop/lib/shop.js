const request = require('request');

exports.get = (cfg, path, cb) => call(cfg, { method: 'GET', url: cfg.baseUrl + path }, cb);
exports.post = (cfg, path, body, cb) => call(cfg, { method: 'POST', url: cfg.baseUrl + path, json: body }, cb);

/** Call the shop; `cb(err, body)`. */
function call(cfg, options, cb) {
  const headers = { 'x-api-key': cfg.apiKey };
  request(Object.assign({ json: true, headers }, options), (err, response, body) => {
    if (err) return cb(err);
    if (response.statusCode >= 400) return cb(refusal(response, body));
    return cb(null, body);
  });
}

function refusal(response, body) {
  const reason = (body && body.message) || 'no reason given';
  const err = new Error(`The shop answered ${response.statusCode}: ${reason}`);
  err.statusCode = response.statusCode;
  return err;
}
