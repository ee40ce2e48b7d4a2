'use strict';

// RTP without WebRTC: a picture goes from one pipeline to another through two RtpEndpoints, over real ports, once as it
// is and once encrypted, and to a plain socket, which counts.

const dgram = require('node:dgram');
const { assert, connect, event, kurento, make, negotiate } = require('./client.js');
const { Peer, soon } = require('./peer.js');

const SHADE = 100;
const KEY = '4321ZYXWVUTSRQPONMLKJIHGFEDCBA'; // of 30 characters, as the suite wants

function crypto() {
  return kurento.getComplexType('SDES')({ key: KEY, crypto: 'AES_128_CM_HMAC_SHA1_80' });
}

// across sends what an endpoint gets from a browser through RTP to a viewer in a pipeline of its own.
async function across(client, presenter, pipeline, params) {
  const { object: out } = await make(pipeline, 'RtpEndpoint', params);
  const { object: far } = await make(client, 'MediaPipeline');
  const { object: into } = await make(far, 'RtpEndpoint', params);
  const { object: viewer } = await make(far, 'WebRtcEndpoint');
  const flowing = event(into, 'MediaStateChanged', ({ newState }) => newState === 'CONNECTED');
  await presenter.connect(out);
  await into.connect(viewer);
  const offer = await out.generateOffer();
  assert.equal(/a=crypto/.test(offer), Boolean(params));
  assert.match(offer, params ? /RTP\/SAVPF? / : /RTP\/AVPF? /);
  await out.processAnswer(await into.processOffer(offer));
  const peer = new Peer();
  await negotiate(viewer, peer);
  await Promise.all([peer.sees(SHADE), peer.hears(), soon(flowing, () => 'MediaStateChanged does not come')]);
  await far.release();
  await out.release();
  peer.close();
}

// counted has a plain socket receive what the server sends.
async function counted(presenter, pipeline) {
  const socket = dgram.createSocket('udp4');
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  let packets = 0;
  const enough = new Promise((resolve) => socket.on('message', (packet) => {
    assert.equal(packet[0] >> 6, 2);
    assert.equal(packet[1] & 0x7f, 96);
    if (++packets === 20) resolve();
  }));
  const { object: endpoint } = await make(pipeline, 'RtpEndpoint');
  await presenter.connect(endpoint);
  const answer = await endpoint.processOffer([
    'v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0',
    `m=video ${socket.address().port} RTP/AVP 96`, 'a=rtpmap:96 VP8/90000', 'a=recvonly', '',
  ].join('\r\n'));
  assert.match(answer, /m=video \d{2,5} RTP\/AVP 96\r\n/);
  await soon(enough, () => `${packets} packets`);
  await endpoint.release();
  await new Promise((resolve) => socket.close(resolve));
}

async function main(url) {
  const client = await connect(url);
  const source = new Peer({ shade: SHADE, receives: false });
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: presenter } = await make(pipeline, 'WebRtcEndpoint');
  await negotiate(presenter, source);
  await counted(presenter, pipeline);
  await across(client, presenter, pipeline);
  await across(client, presenter, pipeline, { crypto: crypto() });
  await pipeline.release();
  source.close();
  client.close();
}

main(process.argv[2]);
