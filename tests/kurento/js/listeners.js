'use strict';

// Listeners that are removed after their object is gone: the client unsubscribes each of them, and an error would be an
// event that nobody listens to, which ends a Node process.

const { connect, kurento, make } = require('./client.js');

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const { object: endpoint } = await make(pipeline, 'WebRtcEndpoint');
  const { events } = kurento.register.classes.WebRtcEndpoint;
  const ignore = () => {};
  for (const type of events) endpoint.on(type, ignore);
  await endpoint.getName();
  await endpoint.release();
  for (const type of events) endpoint.removeListener(type, ignore);
  pipeline.on('Error', ignore);
  await pipeline.release();
  pipeline.removeAllListeners('Error');
  await (await client.getServerManager()).getInfo(); // answered after all of that
  client.close();
}

main(process.argv[2]);
