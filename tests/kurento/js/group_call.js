'use strict';

// The group-call tutorial: everybody has one endpoint to send, and one to receive each of the others, which is
// connected before it is negotiated. Somebody leaves: the others release what they received from there.

const { assert, connect, make, negotiate } = require('./client.js');
const { Peer } = require('./peer.js');

const SHADES = [50, 120, 200];

class Participant {
  receiving = new Map(); // by the participant that is received

  static async join(pipeline, shade) {
    const { object } = await make(pipeline, 'WebRtcEndpoint');
    return Object.assign(new Participant(), {
      pipeline, shade, endpoint: object, peer: new Peer({ shade, receives: false }),
    });
  }

  async receiveFrom(other) {
    const { object: endpoint } = await make(this.pipeline, 'WebRtcEndpoint');
    const peer = new Peer();
    await other.endpoint.connect(endpoint);
    await negotiate(endpoint, peer);
    this.receiving.set(other, { endpoint, peer });
    await Promise.all([peer.sees(other.shade), peer.hears()]);
  }

  async cancelFrom(other) {
    const { endpoint, peer } = this.receiving.get(other);
    this.receiving.delete(other);
    await endpoint.release();
    peer.close();
  }

  async leave() {
    for (const other of [...this.receiving.keys()]) await this.cancelFrom(other);
    await this.endpoint.release();
    this.peer.close();
  }
}

async function main(url) {
  const client = await connect(url);
  const { object: pipeline } = await make(client, 'MediaPipeline');
  const room = await Promise.all(SHADES.map((shade) => Participant.join(pipeline, shade)));
  await Promise.all(room.map(({ endpoint, peer }) => negotiate(endpoint, peer)));
  const others = (one) => room.filter((other) => other !== one);
  await Promise.all(room.flatMap((one) => others(one).map((other) => one.receiveFrom(other))));

  const leaver = room.pop();
  await Promise.all(room.map((one) => one.cancelFrom(leaver)));
  await leaver.leave();
  assert.equal((await pipeline.getChildren()).length, room.length * room.length);
  await Promise.all(room.map((one) => one.receiving.get(others(one)[0]).peer.sees(others(one)[0].shade)));

  for (const one of room) await one.leave();
  assert.equal((await pipeline.getChildren()).length, 0);
  await pipeline.release();
  client.close();
}

main(process.argv[2]);
