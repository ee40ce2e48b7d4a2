'use strict';

// What passes media on without a network: PassThrough and the hubs. Connections are made before and after negotiation.

const { assert, connect, make, negotiate } = require('./client.js');
const { Peer } = require('./peer.js');

const FIRST = 70;
const SECOND = 180;

async function endpoint(pipeline, peer) {
  const { object } = await make(pipeline, 'WebRtcEndpoint');
  await negotiate(object, peer);
  return object;
}

function port(hub) {
  return new Promise((resolve, reject) => {
    hub.createHubPort((error, object) => (error ? reject(error) : resolve({ object })));
  });
}

// passThrough has one sender reach two viewers through two elements in a row.
async function passThrough(pipeline, sender, viewers) {
  const { object: first } = await make(pipeline, 'PassThrough');
  const { object: second } = await make(pipeline, 'PassThrough');
  for (const viewer of viewers) await second.connect(viewer.endpoint);
  await first.connect(second);
  await sender.connect(first);
  await Promise.all(viewers.map(({ peer }) => peer.sees(FIRST)));
  await first.release();
}

async function dispatcher(pipeline, senders, viewers) {
  const { object: hub } = await make(pipeline, 'Dispatcher');
  const ins = [];
  for (const sender of senders) {
    const { object } = await port(hub);
    await sender.connect(object);
    ins.push(object);
  }
  const outs = [];
  for (const viewer of viewers) {
    const { object } = await port(hub);
    await object.connect(viewer.endpoint);
    outs.push(object);
  }
  await hub.connect(ins[0], outs[0]);
  await hub.connect(ins[1], outs[1]);
  await Promise.all([viewers[0].peer.sees(FIRST), viewers[1].peer.sees(SECOND)]);
  await hub.connect(ins[1], outs[0]);
  await viewers[0].peer.sees(SECOND);
  await hub.release();
}

async function oneToMany(pipeline, senders, viewers) {
  const { object: hub } = await make(pipeline, 'DispatcherOneToMany');
  const ins = [];
  for (const sender of senders) {
    const { object } = await port(hub);
    await sender.connect(object);
    ins.push(object);
  }
  for (const viewer of viewers) {
    const { object } = await port(hub);
    await object.connect(viewer.endpoint);
  }
  await hub.setSource(ins[0]);
  await Promise.all(viewers.map(({ peer }) => peer.sees(FIRST)));
  await hub.setSource(await ins[1]); // a copy, which the client sends as an object
  await Promise.all(viewers.map(({ peer }) => peer.sees(SECOND)));
  await hub.removeSource();
  await hub.release();
}

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const sources = [FIRST, SECOND].map((shade) => new Peer({ shade, receives: false }));
  const senders = [];
  for (const peer of sources) senders.push(await endpoint(pipeline, peer));
  const viewers = [];
  for (const peer of [new Peer(), new Peer()]) viewers.push({ peer, endpoint: await endpoint(pipeline, peer) });

  await passThrough(pipeline, senders[0], viewers);
  await dispatcher(pipeline, senders, viewers);
  await oneToMany(pipeline, senders, viewers);
  assert.equal((await pipeline.getChildren()).length, senders.length + viewers.length + 1); // and one PassThrough

  await pipeline.release();
  for (const peer of [...sources, ...viewers.map(({ peer }) => peer)]) peer.close();
  client.close();
}

main(process.argv[2]);
