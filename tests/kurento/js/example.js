'use strict';

// Runs the example of the documentation, the file of the second argument, with a browser's part.

const { Peer, soon } = require('./peer.js');

const SHADE = 130;

async function main(url, path) {
  const loopback = require(path);
  const peer = new Peer({ shade: SHADE });
  let answered;
  const answer = new Promise((resolve) => (answered = resolve));
  const send = (message) => (message.answer ? answered(message.answer) : peer.addCandidate(message.candidate));
  const call = await loopback(url, await peer.offer(), send);
  peer.onCandidate(call.addCandidate);
  await peer.accept(await soon(answer, () => 'no answer'));
  await Promise.all([peer.sees(SHADE), peer.hears()]);
  await call.end();
  peer.close();
  process.exit(); // with its own settings the client waits for another 20 s
}

main(process.argv[2], process.argv[3]);
