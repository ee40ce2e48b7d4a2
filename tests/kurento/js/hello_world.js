'use strict';

// The hello-world tutorial: an endpoint that is connected to itself sends a caller back to itself.

const { connect, trickle } = require('./client.js');
const { Peer } = require('./peer.js');

const SHADE = 90;

async function main(url) {
  const client = await connect(url);
  const peer = new Peer({ shade: SHADE });
  const offer = await peer.offer();

  const pipeline = await client.create('MediaPipeline');
  const endpoint = await pipeline.create('WebRtcEndpoint');
  trickle(endpoint, peer);
  await endpoint.connect(endpoint);
  const answer = await endpoint.processOffer(offer);
  await endpoint.gatherCandidates();
  await peer.accept(answer);
  await Promise.all([peer.sees(SHADE), peer.hears()]);

  await pipeline.release();
  peer.close();
  client.close();
}

main(process.argv[2]);
