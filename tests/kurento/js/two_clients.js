'use strict';

// Two processes share a pipeline: this one makes it, another one (second_client.js) finds it, adds a viewer and goes.

const { ask, assert, connect, event, make, negotiate } = require('./client.js');
const { Peer, soon } = require('./peer.js');

const SHADE = 160;

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: presenter } = await make(pipeline, 'WebRtcEndpoint');
  await presenter.setName('presenter');
  const source = new Peer({ shade: SHADE, receives: false });
  await negotiate(presenter, source);

  const manager = await client.getServerManager();
  const of = (id) => id.startsWith(pipeline.id);
  const created = event(manager, 'ObjectCreated', ({ object }) => of(object));
  const destroyed = event(manager, 'ObjectDestroyed', ({ objectId }) => of(objectId));
  await manager.getPipelines(); // answered after both are subscribed
  await ask('second', [presenter.id, SHADE].join(' '));
  const { object: viewer } = await soon(created, () => 'ObjectCreated does not come');
  assert.equal((await soon(destroyed, () => 'ObjectDestroyed does not come')).objectId, viewer);
  assert.deepEqual((await pipeline.getChildren()).map(({ id }) => id), [presenter.id]);
  assert.equal((await presenter.getTags()).find(({ key }) => key === 'seen').value, 'true');

  await pipeline.release();
  source.close();
  client.close();
}

main(process.argv[2]);
