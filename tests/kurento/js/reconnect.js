'use strict';

// The connection of a client breaks: media goes on, the session is there still when the client is back, and so are its
// subscriptions, without any request.

const { ask, assert, connect, event, make, negotiate } = require('./client.js');
const { Peer, soon } = require('./peer.js');

const SHADE = 110;

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint');
  const { object: viewer } = await make(pipeline, 'WebRtcEndpoint');
  const source = new Peer({ shade: SHADE });
  await endpoint.connect(endpoint);
  await negotiate(endpoint, source);
  await source.sees(SHADE);
  const connected = event(endpoint, 'ElementConnected', ({ sink }) => sink === viewer.id);
  await endpoint.getName(); // answered after the subscription
  const session = client.sessionId;

  for (let i = 0; i < 3; i++) {
    const back = new Promise((resolve) => client.once('reconnected', resolve));
    await ask('cut');
    assert.equal(await soon(back, () => 'reconnected does not come'), true);
    await source.sees(SHADE);
  }
  await endpoint.connect(viewer);
  assert.equal((await soon(connected, () => 'events do not come after the reconnection')).source, endpoint.id);
  assert.equal(client.sessionId, session);

  await pipeline.release();
  source.close();
  client.close();
}

main(process.argv[2]);
