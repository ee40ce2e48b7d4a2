// Stand-ins for a browser's media objects, as far as the SDK touches them.

import { webcrypto } from 'node:crypto';

// Every browser has these; Node 18, which Debian 12 has, does not.
globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail, ...rest } = {}) {
    super(type, rest);
    this.detail = detail;
  }
};

let serial = 0;

export class FakeTrack {
  enabled = true;
  muted = false;
  readyState = 'live';
  constructor(kind) {
    this.kind = kind;
    this.id = `track${++serial}`;
  }
}

export class FakeMediaStream {
  #tracks = new Set();
  constructor(tracks = []) {
    this.id = `stream${++serial}`;
    tracks.forEach((track) => this.addTrack(track));
  }
  addTrack(track) {
    this.#tracks.add(track);
  }
  removeTrack(track) {
    this.#tracks.delete(track);
  }
  getTracks() {
    return [...this.#tracks];
  }
}

class FakeTransceiver {
  constructor(track, { direction, streams }) {
    this.direction = direction;
    this.receiver = { track: new FakeTrack(track.kind) };
    this.sender = {
      track,
      replaceTrack: async (other) => {
        this.sender.track = other;
      },
      setStreams: (...list) => {
        this.streams = list;
      },
    };
    this.streams = streams;
  }
}

/** Every peer connection that was made, in FakePeerConnection.all; reset it for each test. */
export class FakePeerConnection {
  static all = [];
  connectionState = 'new';
  signalingState = 'stable';
  localDescription = null;
  remoteDescription = null;
  candidates = [];
  offers = [];
  #transceivers = [];

  constructor(config) {
    this.config = config;
    this.number = FakePeerConnection.all.push(this);
  }
  static get open() {
    return FakePeerConnection.all.filter((pc) => pc.signalingState !== 'closed');
  }
  getConfiguration() {
    return this.config;
  }
  setConfiguration(config) {
    this.config = config;
  }
  getTransceivers() {
    return this.#transceivers;
  }
  getSenders() {
    return this.#transceivers.map(({ sender }) => sender);
  }
  addTransceiver(track, init) {
    const transceiver = new FakeTransceiver(track, init);
    this.#transceivers.push(transceiver);
    return transceiver;
  }
  async createOffer(options = {}) {
    this.offers.push(options);
    return { type: 'offer', sdp: `offer pc${this.number} n${this.offers.length}` };
  }
  async createAnswer() {
    return { type: 'answer', sdp: `answer to ${this.remoteDescription.sdp}` };
  }
  async setLocalDescription(description) {
    this.#mustBeOpen();
    this.localDescription = description;
  }
  async setRemoteDescription(description) {
    this.#mustBeOpen();
    if (description.sdp.includes('bad')) throw new Error('bad SDP');
    this.remoteDescription = description;
  }
  async addIceCandidate(candidate) {
    this.candidates.push(candidate);
  }
  async getStats() {
    return new Map();
  }
  close() {
    this.signalingState = 'closed';
    this.connectionState = 'closed';
  }
  /** As the browser would report it. */
  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange();
  }
  #mustBeOpen() {
    if (this.signalingState === 'closed') throw new DOMException('closed', 'InvalidStateError');
  }
}
