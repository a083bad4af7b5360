'use strict';

/** Hooks and design-time functions: promises, callbacks, and what their results mean. */

const { given } = require('./errors');
const { isError } = require('./failure');

/** @typedef {(this: unknown, ...args: any[]) => any} Function_ */

/**
 * Run a function that answers by its return value, by a promise, or by the callback that is its second parameter;
 * whatever comes first counts.
 *
 * @param {Function_} hook
 * @param {unknown} context its `this`
 * @param {any} cfg
 * @param {any} data what `startup` returned, for `shutdown`; without it the second argument is a callback
 * @returns {Promise<any>} never rejects with nothing
 */
async function answer(hook, context, cfg, data) {
  try {
    return await answered(hook, context, cfg, data);
  } catch (thrown) {
    throw given(thrown, 'the function threw');
  }
}

/** @type {typeof answer} */
function answered(hook, context, cfg, data) {
  return new Promise((resolve, reject) => {
    const callback = (/** @type {any} */ error, /** @type {any} */ result) => (error ? reject(error) : resolve(result));
    const takesCallback = data === undefined && hook.length >= 2;
    const returned = hook.call(context, cfg, data === undefined ? callback : data);
    if (typeof returned?.then !== 'function') {
      if (!takesCallback) resolve(returned);
      return;
    }
    returned.then((/** @type {any} */ value) => {
      if (value !== undefined || !takesCallback) resolve(value);
    }, reject);
  });
}

/**
 * What `verifyCredentials` says: only an explicit success verifies, a rejection is a plain no.
 *
 * @param {Function_} verify
 * @param {unknown} context
 * @param {any} credentials
 * @returns {Promise<{verified: boolean, reason?: string}>}
 */
async function verification(verify, context, credentials) {
  let said;
  try {
    said = await answer(verify, context, credentials, undefined);
  } catch (thrown) {
    return { verified: false, reason: worded(thrown) || 'the component gave no reason' };
  }
  if (said === true || said?.verified === true) return { verified: true };
  return { verified: false, reason: typeof said === 'string' ? notExplicit(said) : worded(said) || notExplicit(said) };
}

/** @param {any} said */
function worded(said) {
  if (typeof said === 'string') return said;
  const found = isError(said) ? said.message : (said?.reason ?? said?.message ?? said?.details);
  return found === undefined || found === null ? '' : String(found?.message ?? found);
}

/** @param {any} said */
function notExplicit(said) {
  if (said === false || said?.verified === false) return 'the component says that they are not valid';
  const what = typeof said === 'string' && said ? `answered '${said}', not` : 'did not answer';
  return `verifyCredentials ${what} \`true\` or \`{verified: true}\``;
}

module.exports = { answer, verification };
