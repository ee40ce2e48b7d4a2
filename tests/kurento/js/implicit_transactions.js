'use strict';

// A client that puts whatever it has to send at one moment into a transaction.

const { assert, connect, make, negotiate } = require('./client.js');
const { Peer } = require('./peer.js');

const SHADE = 70;

async function main(url) {
  const client = await connect(url, { useImplicitTransactions: true });
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const made = await Promise.all(Array.from({ length: 5 }, () => make(pipeline, 'WebRtcEndpoint')));
  const [from, to] = made.map(({ object }) => object);
  const [source, viewer] = [new Peer({ shade: SHADE, receives: false }), new Peer()];
  await Promise.all([from.connect(to), negotiate(from, source), negotiate(to, viewer)]);
  await viewer.sees(SHADE);
  assert.equal(new Set(made.map(({ object }) => object.id)).size, made.length);
  await Promise.all(made.map(({ object }) => object.release()));
  assert.equal((await pipeline.getChildren()).length, 0);
  await pipeline.release();
  source.close();
  viewer.close();
  client.close();
}

main(process.argv[2]);
