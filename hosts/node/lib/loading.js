'use strict';

/** Finding and loading a step's component code. */

const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { LoadError } = require('./errors');

/** @typedef {(this: unknown, ...args: any[]) => any} Function_ */

/** What a component calls them, and what the protocol does. */
const HOOKS = { startup: 'startup', init: 'init', shutdown: 'shutdown', getMetaModel: 'meta_model' };
const SUFFIXES = ['', '.js', '.cjs', '.mjs', '/index.js', '/index.cjs', '/index.mjs'];
const NEEDS_IMPORT = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE']);

/** A loaded trigger or action. */
class Component {
  #folder;
  #exports;
  /** @type {Promise<Function_> | null} */
  #verify = null;

  /**
   * @param {string} folder
   * @param {any} exports
   * @param {'process' | 'listen'} shape
   */
  constructor(folder, exports, shape) {
    this.#folder = folder;
    this.#exports = exports;
    this.shape = shape;
    /** @type {Function_} */
    this.main = named(exports, shape);
    /** @type {Record<string, Function_>} by the protocol's names */
    this.hooks = {};
    for (const [name, protocol] of Object.entries(HOOKS)) {
      if (named(exports, name)) this.hooks[protocol] = named(exports, name);
    }
  }

  /** Names of the hooks there are, as the protocol calls them. */
  get hookNames() {
    const verify = found(this.#folder, 'verifyCredentials') ? ['verify_credentials'] : [];
    return [...Object.keys(this.hooks), ...verify].sort();
  }

  /**
   * @param {string} name a field's `model` in component.json
   * @returns {Function_}
   */
  selectModel(name) {
    const model = name ? named(this.#exports, name) : undefined;
    if (!model) {
      throw new LoadError(`the component has no function '${name}'; see \`model\` of the field in component.json`);
    }
    return model;
  }

  /**
   * `verifyCredentials` in the component's folder; `null` when there is none.
   *
   * @returns {Promise<Function_> | null}
   */
  verifyCredentials() {
    const file = found(this.#folder, 'verifyCredentials');
    if (file && !this.#verify) this.#verify = loaded(file).then(verifier);
    return this.#verify;
  }
}

/**
 * Load `main` and find its functions. Rejects with `LoadError`, or with whatever the module throws.
 *
 * @param {string} folder the component's
 * @param {string} main
 * @param {string} kind `trigger` or `action`
 * @param {string | null} triggerType
 * @returns {Promise<Component>}
 */
async function load(folder, main, kind, triggerType) {
  const file = found(folder, main);
  if (!file) {
    const what = fs.existsSync(path.join(folder, main)) ? 'is a folder without index.js' : 'does not exist';
    throw new LoadError(`${main} ${what} in the component's folder; see \`main\` in component.json`);
  }
  const exports = await tracedFar(() => loaded(file));
  const process = named(exports, 'process');
  if (kind === 'trigger' && named(exports, 'listen') && !(process && triggerType !== 'listener')) {
    return new Component(folder, exports, 'listen');
  }
  if (!process) {
    const wanted = kind === 'trigger' ? '`process` or `listen`' : '`process`';
    throw new LoadError(`${main} has no function ${wanted}; it exports ${listed(exports)}`);
  }
  return new Component(folder, exports, 'process');
}

/**
 * The function of that name: exported by itself, or as part of the default export.
 *
 * @param {any} exports
 * @param {string} name
 * @returns {any}
 */
function named(exports, name) {
  for (const each of [exports, exports?.default]) {
    if (typeof each?.[name] === 'function') return each[name];
  }
  return undefined;
}

/** @param {any} exports */
function listed(exports) {
  if (typeof exports === 'function') return `a function '${exports.name}' instead of an object with one`;
  const all = { ...exports, ...exports?.default };
  return Object.keys(all).filter((name) => name !== 'default').join(', ') || 'nothing';
}

/**
 * @param {any} exports
 * @returns {Function_}
 */
function verifier(exports) {
  for (const each of [exports, exports?.default]) {
    if (typeof each === 'function') return each;
  }
  const verify = named(exports, 'verifyCredentials') ?? named(exports, 'verify');
  if (!verify) throw new LoadError(`verifyCredentials exports no function; it exports ${listed(exports)}`);
  return verify;
}

/**
 * @param {string} folder
 * @param {string} name
 * @returns {string | undefined}
 */
function found(folder, name) {
  const stem = path.join(folder, name);
  const packaged = mainOf(stem);
  const choices = SUFFIXES.map((suffix) => stem + suffix);
  return (packaged ? [...choices, packaged] : choices).find((choice) => fs.statSync(choice, { throwIfNoEntry: false })?.isFile());
}

/** @param {string} folder */
function mainOf(folder) {
  try {
    return createRequire(path.join(folder, 'any.js')).resolve(folder);
  } catch {
    return undefined;
  }
}

/**
 * The module's exports. CommonJS is loaded by `require`, as its authors expect; ES modules by `import`.
 *
 * @param {string} file
 */
async function loaded(file) {
  if (isModule(file)) return import(pathToFileURL(file).href);
  try {
    return require(file);
  } catch (problem) {
    if (!NEEDS_IMPORT.has(/** @type {any} */ (problem)?.code)) throw problem;
    return import(pathToFileURL(file).href);
  }
}

/**
 * Ten frames, the usual, are those of Node.js's own loader when one module requires another.
 *
 * @template T
 * @param {() => Promise<T>} action
 */
async function tracedFar(action) {
  const usual = Error.stackTraceLimit;
  Error.stackTraceLimit = 100;
  try {
    return await action();
  } finally {
    if (Error.stackTraceLimit === 100) Error.stackTraceLimit = usual;
  }
}

/** @param {string} file */
function isModule(file) {
  if (!file.endsWith('.js')) return file.endsWith('.mjs');
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const description = path.join(folder, 'package.json');
    if (fs.existsSync(description)) return JSON.parse(fs.readFileSync(description, 'utf8')).type === 'module';
    if (folder === path.dirname(folder)) return false;
  }
}

module.exports = { Component, load };
