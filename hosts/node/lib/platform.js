'use strict';

/** What a component may ask of the platform beside its messages. */

const { createRequire } = require('node:module');
const path = require('node:path');

const PREFIX = 'ELASTICIO_';
const CLIENT = 'elasticio-rest-node';
/** Components list the runtime, which brings the client along. */
const BROUGHT_BY = 'elasticio-sailor-nodejs';

/** @returns {Record<string, string | undefined>} */
function settings() {
  const ours = Object.entries(process.env).filter(([name]) => name.startsWith(PREFIX));
  return Object.fromEntries(ours.map(([name, value]) => [name.slice(PREFIX.length), value]));
}

/**
 * The REST client that components know, with the step's address and key.
 *
 * @param {string} folder the component's
 */
function apiClient(folder) {
  const { API_USERNAME, API_KEY, API_REQUEST_RETRY_ATTEMPTS, API_REQUEST_RETRY_DELAY } = settings();
  if (!API_USERNAME || !API_KEY) {
    throw new Error('getApiClient: this step was given no ELASTICIO_API_USERNAME and ELASTICIO_API_KEY');
  }
  return client(folder)(API_USERNAME, API_KEY, {
    retryCount: Number(API_REQUEST_RETRY_ATTEMPTS) || 3,
    retryDelay: Number(API_REQUEST_RETRY_DELAY) || 100,
  });
}

/** @param {string} folder */
function client(folder) {
  let from = createRequire(path.join(folder, 'package.json'));
  try {
    from = createRequire(from.resolve(BROUGHT_BY));
  } catch {
    // Not listed by this component: it may list the client itself.
  }
  try {
    return from(CLIENT);
  } catch (problem) {
    throw new Error(`getApiClient needs ${CLIENT}: add it to the dependencies in package.json`, { cause: problem });
  }
}

module.exports = { apiClient, settings };
