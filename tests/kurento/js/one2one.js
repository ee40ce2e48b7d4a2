'use strict';

// The one-to-one tutorial: two endpoints are connected both ways before either is negotiated.

const { assert, connect, make, negotiate } = require('./client.js');
const { Peer } = require('./peer.js');

const CALLER = 60;
const CALLEE = 190;

async function main(url) {
  const client = await connect(url);
  const caller = new Peer({ shade: CALLER });
  const callee = new Peer({ shade: CALLEE });

  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: callerEndpoint } = await make(pipeline, 'WebRtcEndpoint');
  const { object: calleeEndpoint } = await make(pipeline, 'WebRtcEndpoint');
  await callerEndpoint.connect(calleeEndpoint);
  await calleeEndpoint.connect(callerEndpoint);
  await negotiate(callerEndpoint, caller);
  await negotiate(calleeEndpoint, callee);
  await Promise.all([caller.sees(CALLEE), callee.sees(CALLER), caller.hears(), callee.hears()]);

  assert.equal(await callerEndpoint.isMediaFlowingIn('VIDEO'), true);
  assert.equal(await calleeEndpoint.isMediaFlowingOut('AUDIO'), true);
  const stats = Object.values(await callerEndpoint.getStats('VIDEO'));
  assert.ok(stats.some((s) => s.type === 'inboundrtp' && s.packetsReceived > 0), 'no packets came in');
  assert.ok(stats.some((s) => s.type === 'outboundrtp' && s.packetsSent > 0), 'no packets went out');

  await pipeline.release();
  caller.close();
  callee.close();
  client.close();
}

main(process.argv[2]);
