const { PlatformApiLogicClient } = require('@elastic.io/component-commons-library');
const { messages } = require('elasticio-node');
const { userAgent } = require('../utils');

/** Asks the platform itself, as the user that every step is. */
exports.process = async function (msg) {
  const client = new PlatformApiLogicClient(this, {}, userAgent('component-commons-library'), msg.id);
  const flow = await client.fetchFlowById(process.env.ELASTICIO_FLOW_ID);
  await this.emit('data', messages.newMessageWithBody(flow));
};
