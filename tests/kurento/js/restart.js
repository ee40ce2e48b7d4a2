'use strict';

// The media server is restarted: the client learns that everything is lost, and begins anew on the same connection.

const { ask, assert, connect, make, negotiate, refused } = require('./client.js');
const { Peer, soon } = require('./peer.js');

const SHADE = 110;

async function call(client) {
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint');
  const peer = new Peer({ shade: SHADE });
  await endpoint.connect(endpoint);
  await negotiate(endpoint, peer);
  await peer.sees(SHADE);
  return { pipeline, peer };
}

async function main(url) {
  const client = await connect(url);
  const before = await call(client);
  const back = new Promise((resolve) => client.once('reconnected', resolve));
  await ask('restart');
  assert.equal(await soon(back, () => 'reconnected does not come'), false);
  await refused(40101, (done) => client.getMediaobjectById(before.pipeline.id, done));
  before.peer.close();

  const after = await call(client);
  await after.pipeline.release();
  after.peer.close();
  client.close();
}

main(process.argv[2]);
