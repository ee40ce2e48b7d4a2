'use strict';

// The one-to-many tutorial: viewers are answered before they are connected to the presenter, and media has to start
// without another negotiation. They come and go one by one.

const { assert, connect, make, trickle } = require('./client.js');
const { Peer } = require('./peer.js');

const SHADE = 140;

async function present(client, peer) {
  const offer = await peer.offer();
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint');
  trickle(endpoint, peer);
  await peer.accept(await endpoint.processOffer(offer));
  await endpoint.gatherCandidates();
  return { pipeline, endpoint };
}

async function view(presenter, peer) {
  const offer = await peer.offer();
  const { object: endpoint } = await make(presenter.pipeline, 'WebRtcEndpoint');
  trickle(endpoint, peer);
  const answer = await endpoint.processOffer(offer);
  assert.doesNotMatch(answer, /a=candidate/);
  assert.equal(answer.match(/a=sendonly/g).length, 2);
  await presenter.endpoint.connect(endpoint);
  await peer.accept(answer);
  await endpoint.gatherCandidates();
  await Promise.all([peer.sees(SHADE), peer.hears()]);
  return { peer, endpoint };
}

async function main(url) {
  const client = await connect(url);
  const source = new Peer({ shade: SHADE, receives: false });
  const presenter = await present(client, source);
  const viewers = await Promise.all([new Peer(), new Peer(), new Peer()].map((peer) => view(presenter, peer)));
  assert.equal((await presenter.endpoint.getSinkConnections()).length, 3 * viewers.length);

  const gone = viewers.shift();
  await gone.endpoint.release();
  gone.peer.close();
  assert.equal((await presenter.endpoint.getSinkConnections()).length, 3 * viewers.length);
  await Promise.all(viewers.map(({ peer }) => peer.sees(SHADE)));
  viewers.push(await view(presenter, new Peer()));

  await presenter.pipeline.release();
  for (const { peer } of viewers) peer.close();
  source.close();
  client.close();
}

main(process.argv[2]);
