'use strict';

// Data channels: one that the browser opens and one that the server opens, back to their sender and from one endpoint
// to another.

const { assert, connect, event, make, negotiate, refused } = require('./client.js');
const { Peer, soon } = require('./peer.js');

function message(channel) {
  const came = new Promise((resolve) => channel.addEventListener('message', ({ data }) => resolve(data)));
  return soon(came, () => `no message on ${channel.label}`);
}

function opened(channel) {
  if (channel.readyState === 'open') return channel;
  return soon(new Promise((resolve) => channel.addEventListener('open', () => resolve(channel))), () => 'not open');
}

function announced(peer) {
  return soon(new Promise((resolve) => peer.onDataChannel(resolve)), () => 'no channel was announced');
}

async function loopback(pipeline) {
  const peer = new Peer({ shade: 80 });
  const channel = peer.createDataChannel('chat');
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint', { useDataChannels: true });
  const told = event(endpoint, 'DataChannelOpened');
  await endpoint.connect(endpoint);
  await negotiate(endpoint, peer);
  await opened(channel);
  assert.equal(typeof (await told).channelId, 'number');
  const echo = message(channel);
  channel.send('back to me');
  assert.equal(await echo, 'back to me');
  peer.close();
}

async function between(pipeline) {
  const [ann, bob] = [new Peer({ shade: 80 }), new Peer()];
  const { object: from } = await make(pipeline, 'WebRtcEndpoint', { useDataChannels: true });
  const { object: to } = await make(pipeline, 'WebRtcEndpoint', { useDataChannels: true });
  await from.connect(to);
  const sends = ann.createDataChannel('news', { ordered: false });
  const receives = bob.createDataChannel('news');
  const other = bob.createDataChannel('other');
  let count = 0;
  const ready = event(to, 'DataChannelOpened', () => ++count === 2);
  await negotiate(from, ann);
  await negotiate(to, bob);
  await Promise.all([opened(sends), ready]);
  const wrong = message(other).then((text) => assert.fail(`of another label: ${text}`), () => {});
  const news = message(receives);
  sends.send('to all of you');
  assert.equal(await Promise.race([news, wrong]), 'to all of you');
  ann.close();
  bob.close();
}

async function byServer(pipeline) {
  const peer = new Peer();
  const own = peer.createDataChannel('own'); // an offer without any has no room for data
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint', { useDataChannels: true });
  const arrives = announced(peer);
  const first = event(endpoint, 'DataChannelOpened');
  await negotiate(endpoint, peer);
  await Promise.all([first, opened(own)]);
  const told = event(endpoint, 'DataChannelOpened');
  await endpoint.createDataChannel('from the server');
  const channel = await arrives;
  assert.equal(channel.label, 'from the server');
  const closed = event(endpoint, 'DataChannelClosed');
  const { channelId } = await told;
  await endpoint.closeDataChannel(channelId);
  assert.equal((await closed).channelId, channelId);
  peer.close();
}

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  await loopback(pipeline);
  await between(pipeline);
  await byServer(pipeline);
  const { object: without } = await make(pipeline, 'WebRtcEndpoint');
  await refused(40111, (done) => without.createDataChannel('chat', done));
  await pipeline.release();
  client.close();
}

main(process.argv[2]);
