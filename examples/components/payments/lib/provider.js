/** Call the payment provider; the parsed answer, if there is one. */
exports.call = async function call(cfg, method, path, { body, headers } = {}) {
  const response = await fetch(cfg.baseUrl + path, {
    method,
    headers: { 'x-api-key': cfg.apiKey, 'content-type': 'application/json', ...headers },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: the provider answered ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
};
