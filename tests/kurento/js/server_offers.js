'use strict';

// The server offers and the browser answers; what is not wanted is left out of the offer.

const { assert, connect, kurento, make, refused, trickle } = require('./client.js');
const { Peer } = require('./peer.js');

const SHADE = 210;

function offerOptions(fields) {
  return kurento.getComplexType('OfferOptions')(fields);
}

// invite has a browser answer an endpoint.
async function invite(endpoint, peer) {
  trickle(endpoint, peer);
  const offer = await endpoint.generateOffer();
  assert.equal(offer.match(/^m=/gm).length, 2);
  assert.match(offer, /a=setup:actpass/);
  assert.doesNotMatch(offer, /a=candidate/);
  const local = await endpoint.processAnswer(await peer.answer(offer));
  assert.equal(local, await endpoint.getLocalSessionDescriptor());
  await endpoint.gatherCandidates();
}

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const [source, viewer] = [new Peer({ shade: SHADE }), new Peer()];
  const { object: from } = await make(pipeline, 'WebRtcEndpoint');
  const { object: to } = await make(pipeline, 'WebRtcEndpoint');
  await invite(from, source);
  await invite(to, viewer);
  await from.connect(to);
  await Promise.all([viewer.sees(SHADE), viewer.hears()]);
  await refused(40208, (done) => from.generateOffer(done));
  await refused(40210, (done) => from.processAnswer('v=0', done));

  const { object: soundOnly } = await make(pipeline, 'WebRtcEndpoint');
  const offer = await soundOnly.generateOffer(offerOptions({ offerToReceiveAudio: true, offerToReceiveVideo: false }));
  assert.deepEqual(offer.match(/^m=\w+/gm), ['m=audio']);

  await pipeline.release();
  source.close();
  viewer.close();
  client.close();
}

main(process.argv[2]);
