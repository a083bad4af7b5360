'use strict';

/** Sockets by what they are for: the connections component code has made, and who came in. */

const net = require('node:net');

/**
 * `sockets`: connections made; one to each further end does not count: pools and caches keep one. `clients`: connections
 * made by others, out of this process.
 *
 * @param {any[]} handles what keeps the process alive
 */
function connections(handles) {
  const found = handles.filter((each) => each instanceof net.Socket && kindOf(each) === 'TCP');
  const ours = new Set(found.map((each) => end(each.localAddress, each.localPort)));
  const made = found.filter((each) => !each.server);
  const ends = new Set(made.filter((each) => each.remotePort).map((each) => end(each.remoteAddress, each.remotePort)));
  const clients = found.filter((each) => each.server && !ours.has(end(each.remoteAddress, each.remotePort)));
  return { sockets: made.length - Math.max(ends.size - 1, 0), clients: clients.length };
}

/** @param {any} socket */
function kindOf(socket) {
  return socket._handle?.constructor.name;
}

/**
 * @param {string | undefined} address
 * @param {number | undefined} port
 */
function end(address, port) {
  return `${(address ?? '').replace(/^::ffff:/, '')} ${port}`;
}

module.exports = { connections };
