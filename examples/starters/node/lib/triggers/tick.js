'use strict';

/** Called again and again. The snapshot is kept between calls and across versions. */
exports.process = async function (msg, cfg, snapshot) {
  const count = (snapshot.count ?? 0) + 1;
  await this.emit('data', { body: { name: `tick ${count}` } });
  await this.emit('updateSnapshot', { count });
};
