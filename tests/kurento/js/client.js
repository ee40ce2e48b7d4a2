'use strict';

// What the programs have in common on the side of the application server.

const assert = require('node:assert/strict');
const kurento = require('kurento-client');

// connect gives a client. By its own settings it would hold the process up for 20 s after the last response.
function connect(url, options) {
  return kurento(url, { duplicates_timeout: 100, ...options });
}

// make gives {object}: the object itself. What `await pipeline.create()` gives is a copy of it without identity. The
// client writes into the parameters that it is given.
function make(parent, type, params) {
  return new Promise((resolve, reject) => {
    parent.create(type, { ...params }, (error, object) => (error ? reject(error) : resolve({ object })));
  });
}

// trickle passes candidates on between an endpoint and its peer, in both directions.
function trickle(endpoint, peer) {
  peer.onCandidate((candidate) => endpoint.addIceCandidate(kurento.getComplexType('IceCandidate')(candidate)));
  endpoint.on('IceCandidateFound', ({ candidate }) => peer.addCandidate(candidate));
}

// negotiate has an endpoint answer its peer.
async function negotiate(endpoint, peer) {
  trickle(endpoint, peer);
  const answer = await endpoint.processOffer(await peer.offer());
  await endpoint.gatherCandidates();
  await peer.accept(answer);
}

// event waits for the next event of an object that passes a test.
function event(object, type, passes = () => true) {
  return new Promise((resolve) => {
    const listen = (data) => {
      if (!passes(data)) return;
      object.removeListener(type, listen);
      resolve(data);
    };
    object.on(type, listen);
  });
}

// refused checks that a call fails with a code of the protocol. It takes a callback: without one the client only prints
// errors.
async function refused(code, call) {
  const error = await new Promise(call);
  assert.equal(error?.code, code, String(error));
}

// ask has the test that runs this program do something, and gives what the test answers when it is done.
function ask(what, argument = '') {
  return new Promise((resolve) => {
    process.stdin.ref();
    process.stdin.once('data', (line) => {
      process.stdin.pause();
      process.stdin.unref();
      resolve(String(line).trim());
    });
    process.stdin.resume();
    console.log(`ask: ${what} ${argument}`);
  });
}

module.exports = { ask, assert, connect, event, kurento, make, negotiate, refused, trickle };
