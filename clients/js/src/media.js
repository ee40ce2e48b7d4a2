// The streams that are received, each as one MediaStream that stays the same object while connections come and go, so
// that a <video> keeps its srcObject over a change of media server.
import { clock } from './interruptions.js';

/** onLive(track, streamId): first media of a track has arrived. */
export class RemoteMedia {
  #streams = new Map(); // stream id -> MediaStream
  #live = new Map(); // track that brings media -> its RTCRtpReceiver

  constructor({ onLive, onTrack }) {
    Object.assign(this, { onLive, onTrack });
  }

  /** The MediaStream of a stream id; undefined until its first track. */
  get(id) {
    return this.#streams.get(id);
  }

  /** Of a stream, the kinds that are being received, and when (see clock) the last packet of them came. */
  flow(id) {
    const tracks = (this.#streams.get(id)?.getTracks() ?? []).filter((track) => this.#flows(track));
    const times = tracks.map((track) => lastPacket(this.#live.get(track)));
    return { kinds: tracks.map(({ kind }) => kind), last: Math.max(-Infinity, ...times) };
  }

  #flows(track) {
    return this.#live.has(track) && track.readyState === 'live' && !track.muted;
  }

  add(track, received, receiver) {
    const { id } = received;
    const stream = this.#streams.get(id) ?? new MediaStream();
    this.#streams.set(id, stream);
    // Those of a closed connection have ended; until now they showed the last picture.
    for (const old of stream.getTracks()) {
      if (old.readyState === 'ended' && old.kind === track.kind) this.#forget(stream, old);
    }
    stream.addTrack(track);
    received.onremovetrack = ({ track: gone }) => this.#forget(stream, gone);
    const live = () => {
      this.#live.set(track, receiver);
      this.onLive(track, id);
    };
    track.onunmute = live;
    this.onTrack(track, id, stream);
    if (!track.muted) live();
  }

  remove(id) {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    for (const track of stream?.getTracks() ?? []) this.#forget(stream, track);
  }

  #forget(stream, track) {
    this.#live.delete(track);
    stream.removeTrack(track);
  }
}

// -Infinity: none came in the last 10 s. Browsers that cannot tell are taken to have received until now.
function lastPacket(receiver) {
  const sources = receiver?.getSynchronizationSources?.();
  return sources ? Math.max(-Infinity, ...sources.map(({ timestamp }) => timestamp)) : clock();
}
