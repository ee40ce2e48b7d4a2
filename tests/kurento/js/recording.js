'use strict';

// The recording tutorial: a call is recorded and played back. Nothing is converted on the way: the profile has to fit.

const { assert, connect, event, make, negotiate, refused } = require('./client.js');
const { Peer, soon } = require('./peer.js');

const SHADE = 170;

async function record(pipeline, uri, mediaProfile) {
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint');
  const { object: recorder } = await make(pipeline, 'RecorderEndpoint', { uri, mediaProfile });
  const source = new Peer({ shade: SHADE });
  await endpoint.connect(endpoint);
  await endpoint.connect(recorder, 'AUDIO');
  await endpoint.connect(recorder, 'VIDEO');
  await negotiate(endpoint, source);
  const [started, stopped] = [event(recorder, 'Recording'), event(recorder, 'Stopped')];
  await recorder.record();
  await soon(started, () => 'Recording does not come');
  await Promise.all([source.sees(SHADE, 10), source.hears()]);
  await recorder.stopAndWait();
  await soon(stopped, () => 'Stopped does not come');
  await endpoint.release();
  await recorder.release();
  source.close();
}

async function play(pipeline, uri) {
  const { object: player } = await make(pipeline, 'PlayerEndpoint', { uri });
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint');
  const viewer = new Peer();
  await player.connect(endpoint);
  await negotiate(endpoint, viewer);
  const end = event(player, 'EndOfStream');
  const started = event(player, 'UriEndpointStateChanged', ({ state }) => state === 'START');
  const seen = viewer.sees(SHADE);
  await player.play();
  const { isSeekable, duration } = await player.getVideoInfo();
  assert.ok(isSeekable && duration > 300, `the recording has ${duration} ms`);
  await Promise.all([seen, viewer.hears(), started, soon(end, () => 'EndOfStream does not come')]);
  await player.release();
  await endpoint.release();
  viewer.close();
}

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  for (const [name, profile] of [['call.webm', 'WEBM'], ['folder/call.mkv', 'MKV']]) {
    await record(pipeline, name, profile);
    await play(pipeline, name);
  }
  await refused(40108, (done) => pipeline.create('RecorderEndpoint', { uri: 'call.flv', mediaProfile: 'FLV' }, done));
  await pipeline.release();
  client.close();
}

main(process.argv[2]);
