'use strict';

// Takes part in a pipeline of another process, by the id of one of its endpoints.

const { assert, connect, make, negotiate, refused } = require('./client.js');
const { Peer } = require('./peer.js');

async function main(url, [id, shade]) {
  const client = await connect(url, { access_token: 'comes with the address, and is of no use here' });
  const presenter = await client.getMediaobjectById(id);
  assert.equal(presenter.constructor.name, 'WebRtcEndpoint');
  assert.equal(await presenter.getName(), 'presenter');
  const pipeline = await presenter.getMediaPipeline();
  const pipelines = await (await client.getServerManager()).getPipelines();
  assert.ok(pipelines.some((one) => one.id === pipeline.id), 'the pipeline is not listed');

  const { object: viewer } = await make(pipeline, 'WebRtcEndpoint');
  const peer = new Peer();
  await presenter.connect(viewer);
  await negotiate(viewer, peer);
  await peer.sees(Number(shade));
  await presenter.addTag('seen', 'true');
  await viewer.release();
  await refused(40101, (done) => client.getMediaobjectById(viewer.id, done));

  peer.close();
  client.close();
}

main(process.argv[2], process.argv[3].split(' '));
