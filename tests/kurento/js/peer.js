'use strict';

// A browser's place in these programs: a real WebRTC connection that paints its pictures in one shade, so that whoever
// receives them can tell whose they are.

const { RTCPeerConnection, nonstandard } = require('@roamhq/wrtc');

// The library crashes when Node takes its environment apart at the end. By this event the program has ended by itself,
// but what it failed of is not printed yet.
process.on('exit', (code) => process.reallyExit(code));
process.on('uncaughtExceptionMonitor', (error) => console.error(error));

const WIDTH = 160;
const HEIGHT = 120;
const FRAME_MS = 66;
const SAMPLES = 480; // of 10 ms
const TOLERANCE = 12; // what the codec may do to a shade
const PATIENCE_MS = 20_000;
const LOUD = 1000; // far above what silence decodes to

class Peer {
  #connection = new RTCPeerConnection();
  #candidates = []; // not taken yet
  #takeCandidate = null;
  #timers = [];
  #ends = []; // what has to be stopped for the process to end
  #waiting = []; // {shade, left, resolve}
  #last; // shade that was seen
  #described = resolvers();
  #loud = resolvers();

  // shade (0 to 255) is sent, with sound, when given; receives says whether anything is wanted back.
  constructor({ shade, receives = true } = {}) {
    this.#connection.onicecandidate = ({ candidate }) => {
      if (candidate) this.#found(candidate);
    };
    this.#connection.ontrack = ({ track }) => this.#watch(track);
    if (shade === undefined) return;
    this.#connection.addTrack(this.#tone());
    this.#connection.addTrack(this.#picture(shade));
    if (receives) return;
    for (const transceiver of this.#connection.getTransceivers()) transceiver.direction = 'sendonly';
  }

  createDataChannel(label, options) {
    return this.#connection.createDataChannel(label, options);
  }

  onDataChannel(take) {
    this.#connection.ondatachannel = ({ channel }) => take(channel);
  }

  async offer() {
    if (this.#connection.getTransceivers().length === 0) {
      this.#connection.addTransceiver('audio', { direction: 'recvonly' });
      this.#connection.addTransceiver('video', { direction: 'recvonly' });
    }
    await this.#connection.setLocalDescription(await this.#connection.createOffer());
    return this.#connection.localDescription.sdp;
  }

  // answer takes an offer.
  async answer(sdp) {
    await this.#connection.setRemoteDescription({ type: 'offer', sdp });
    this.#described.resolve();
    await this.#connection.setLocalDescription(await this.#connection.createAnswer());
    return this.#connection.localDescription.sdp;
  }

  // accept takes the answer to the own offer.
  async accept(sdp) {
    await this.#connection.setRemoteDescription({ type: 'answer', sdp });
    this.#described.resolve();
  }

  // onCandidate has take called with every candidate, those that were found before included.
  onCandidate(take) {
    this.#takeCandidate = take;
    this.#candidates.splice(0).forEach(take);
  }

  // addCandidate waits for the description that the candidate belongs to.
  async addCandidate({ candidate, sdpMid, sdpMLineIndex }) {
    await this.#described.promise;
    await this.#connection.addIceCandidate({ candidate, sdpMid, sdpMLineIndex });
  }

  // sees waits for a number of decoded pictures in a shade, counted from now.
  sees(shade, pictures = 5) {
    const seen = new Promise((resolve) => this.#waiting.push({ shade, left: pictures, resolve }));
    return soon(seen, () => `pictures of ${shade} do not come; the last one was of ${this.#last}`);
  }

  // hears waits for sound.
  hears() {
    return soon(this.#loud.promise, () => 'sound does not come');
  }

  close() {
    this.#timers.forEach(clearInterval);
    this.#connection.close();
    this.#ends.forEach((end) => end.stop());
  }

  #found(candidate) {
    if (this.#takeCandidate) this.#takeCandidate(candidate);
    else this.#candidates.push(candidate);
  }

  #picture(shade) {
    const source = new nonstandard.RTCVideoSource();
    const data = new Uint8ClampedArray((WIDTH * HEIGHT * 3) / 2).fill(128);
    data.fill(shade, 0, WIDTH * HEIGHT);
    this.#timers.push(setInterval(() => source.onFrame({ width: WIDTH, height: HEIGHT, data }), FRAME_MS));
    return this.#ending(source.createTrack());
  }

  #tone() {
    const source = new nonstandard.RTCAudioSource();
    const samples = Int16Array.from({ length: SAMPLES }, (_, i) => 8000 * Math.sin((2 * Math.PI * 5 * i) / SAMPLES));
    const chunk = { samples, sampleRate: 48000, bitsPerSample: 16, channelCount: 1, numberOfFrames: SAMPLES };
    this.#timers.push(setInterval(() => source.onData(chunk), 10));
    return this.#ending(source.createTrack());
  }

  #ending(end) {
    this.#ends.push(end);
    return end;
  }

  #watch(track) {
    if (track.kind === 'audio') {
      const sink = this.#ending(new nonstandard.RTCAudioSink(track));
      sink.ondata = ({ samples }) => {
        if (samples.some((sample) => Math.abs(sample) > LOUD)) this.#loud.resolve();
      };
      return;
    }
    const sink = this.#ending(new nonstandard.RTCVideoSink(track));
    sink.onframe = ({ frame }) => this.#seen(new Uint8Array(frame.data)[(frame.width * frame.height) / 2]);
  }

  #seen(shade) {
    this.#last = shade;
    for (const wanted of this.#waiting) {
      if (Math.abs(wanted.shade - shade) <= TOLERANCE && --wanted.left === 0) wanted.resolve();
    }
    this.#waiting = this.#waiting.filter((wanted) => wanted.left > 0);
  }
}

function resolvers() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

// soon is promised, or an error with a reason when it does not come.
function soon(promised, why) {
  return new Promise((resolve, reject) => {
    promised.then(resolve, reject);
    setTimeout(() => reject(new Error(why())), PATIENCE_MS).unref();
  });
}

module.exports = { Peer, soon };
