'use strict';

/** `this` in component code: one call's line to the platform. */

const { apiClient, settings } = require('./platform');
const { Logger } = require('./logger');

class Context {
  #call;
  /** @type {Logger | undefined} */
  #logger;

  /** @param {import('./call').Call} call */
  constructor(call) {
    this.#call = call;
    /**
     * Own and bound, as components take it apart: `const { emit } = this`.
     *
     * @param {string} event
     * @param {any} [value]
     * @returns {Promise<any>}
     */
    this.emit = (event, value) => call.emit(event, value);
  }

  /** The step's log. */
  get logger() {
    this.#logger ??= new Logger(this.#call.host.log, this.#call.number || undefined);
    return this.#logger;
  }

  /** Aborted when the platform wants this call to end; for what a trigger's call leaves open, when the host stops. */
  get signal() {
    return this.#call.signal;
  }

  /** Name of the flow. */
  get flow() {
    return this.#call.host.flow;
  }

  /** Id of the flow: stays when the flow is renamed. */
  get flowId() {
    return this.#call.host.flowId;
  }

  /** Id of the step. */
  get step() {
    return this.#call.host.step;
  }

  /** Id of the execution the message belongs to; `null` where there is none. */
  get execution() {
    return this.#call.frame.execution || null;
  }

  /** 1 at first, more when the message is tried again. */
  get attempt() {
    return this.#call.frame.attempt || 1;
  }

  /** @returns {Record<string, unknown>} Headrace's flows have no variables of their own */
  getFlowVariables() {
    return {};
  }

  /** @returns {any} `elasticio-rest-node`'s client, made from the component's own copy */
  getApiClient() {
    return apiClient(this.#call.host.folder);
  }

  /** The settings the step was started with: the `ELASTICIO_` environment without that prefix. */
  getConfig() {
    return settings();
  }
}

module.exports = { Context };
