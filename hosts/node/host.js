'use strict';

/**
 * The Node.js host: holds one step's component code and speaks the host protocol (see `protocol/README.md`).
 *
 * Node.js 20 and newer, no dependencies. A worker starts it by path in the component's folder, with the protocol's
 * socket at file descriptor 3: `node …/hosts/node/host.js`.
 */

const fs = require('node:fs');
const net = require('node:net');
const { Host } = require('./lib/host');

const FD = 3;

/** @returns {net.Socket} the worker at the other end of file descriptor 3 */
function worker() {
  if (!fs.fstatSync(FD).isSocket()) throw new Error('not a socket');
  return new net.Socket({ fd: FD, readable: true, writable: true });
}

let socket;
try {
  socket = worker();
} catch {
  process.stderr.write('a Headrace worker starts this program, with its socket at file descriptor 3\n');
  process.exit(1);
}
new Host(socket, process.cwd());
