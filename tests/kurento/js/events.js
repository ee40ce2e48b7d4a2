'use strict';

// Every event that a call causes comes, with the fields that the protocol gives it, and none without having been asked
// for.

const { assert, connect, kurento, make, negotiate } = require('./client.js');
const { Peer, soon } = require('./peer.js');

const SHADE = 150;

const word = (data, field, ...words) => assert.ok(words.includes(data[field]), `${field} is ${data[field]}`);
const candidate = (value) => {
  assert.match(value.candidate, /^candidate:/);
  assert.equal(typeof value.sdpMid, 'string');
  assert.equal(typeof value.sdpMLineIndex, 'number');
};
const flow = (data) => {
  word(data, 'state', 'FLOWING', 'NOT_FLOWING');
  word(data, 'mediaType', 'AUDIO', 'VIDEO', 'DATA');
  assert.equal(typeof data.padName, 'string');
};
const changed = (data) => {
  word(data, 'oldState', 'CONNECTED', 'DISCONNECTED');
  word(data, 'newState', 'CONNECTED', 'DISCONNECTED');
  assert.notEqual(data.oldState, data.newState);
};
const linked = (data) => {
  word(data, 'mediaType', 'AUDIO', 'VIDEO', 'DATA');
  assert.match(data.sink, /_kurento\.WebRtcEndpoint$/);
  assert.equal(data.sourceMediaDescription, 'default');
  assert.equal(data.sinkMediaDescription, 'default');
};

// By event: the check of its own fields. All of these come in the course of a call.
const expected = {
  ConnectionStateChanged: changed,
  DataChannelClosed: ({ channelId }) => assert.equal(typeof channelId, 'number'),
  DataChannelOpened: ({ channelId }) => assert.equal(typeof channelId, 'number'),
  DtlsConnectionStateChange: (data) => {
    word(data, 'state', 'NEW', 'CONNECTING', 'CONNECTED', 'FAILED', 'CLOSED');
    for (const field of ['streamId', 'componentId', 'connectionId']) assert.equal(typeof data[field], 'string');
  },
  ElementConnected: linked,
  ElementDisconnected: linked,
  IceCandidateFound: (data) => candidate(data.candidate),
  IceComponentStateChanged: (data) => {
    word(data, 'state', 'GATHERING', 'CONNECTING', 'CONNECTED', 'READY', 'FAILED', 'DISCONNECTED');
    for (const field of ['streamId', 'componentId']) assert.equal(typeof data[field], 'number');
  },
  IceGatheringDone: () => {},
  MediaFlowInStateChanged: flow,
  MediaFlowOutStateChanged: flow,
  MediaSessionStarted: () => {},
  MediaStateChanged: changed,
  NewCandidatePairSelected: ({ candidatePair }) => {
    assert.equal(typeof candidatePair.streamId, 'string');
    assert.equal(typeof candidatePair.componentId, 'number');
    assert.match(candidatePair.localCandidate, /typ host/);
    assert.match(candidatePair.remoteCandidate, /typ/);
  },
};

// What is declared and does not come in a call that goes well and is released by its application.
const silent = ['Error', 'MediaSessionTerminated', 'MediaTranscodingStateChanged'];

function check(endpoint, type, data) {
  assert.equal(data.type, type);
  assert.equal(data.source, endpoint.id);
  assert.match(data.timestampMillis, /^\d{13}$/);
  assert.deepEqual(data.tags, [{ __module__: 'kurento', __type__: 'Tag', key: 'call', value: '1' }]);
  expected[type](data);
}

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint', { useDataChannels: true });
  await endpoint.addTag('call', '1');
  await endpoint.setSendTagsInEvents(true);
  const { events } = kurento.register.classes.WebRtcEndpoint;
  assert.deepEqual([...events].sort(), [...Object.keys(expected), ...silent].sort());
  const missing = new Set(Object.keys(expected));
  const all = new Promise((resolve) => {
    for (const type of events) {
      endpoint.on(type, (data) => {
        assert.ok(type in expected, `${type} came: ${JSON.stringify(data)}`);
        check(endpoint, type, data);
        if (missing.delete(type) && missing.size === 0) resolve();
      });
    }
  });

  const peer = new Peer({ shade: SHADE });
  const channel = peer.createDataChannel('chat');
  channel.addEventListener('open', () => channel.close());
  await endpoint.connect(endpoint);
  await negotiate(endpoint, peer);
  await peer.sees(SHADE);
  await endpoint.disconnect(endpoint);
  peer.close();
  await soon(all, () => `these do not come: ${[...missing]}`);
  await pipeline.release();
  client.close();
}

main(process.argv[2]);
