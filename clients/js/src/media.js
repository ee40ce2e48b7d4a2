// The streams that are received, each as one MediaStream that stays the same object while connections come and go, so
// that a <video> keeps its srcObject over a change of media server.
import { clock } from './interruptions.js';
import { Succession } from './succession.js';

/** onTrack(track, streamId, stream): a track is in its stream now; onLive(track, streamId): its first media has arrived. */
export class RemoteMedia {
  #streams = new Map(); // stream id -> MediaStream
  #transceivers = new Map(); // track -> its RTCRtpTransceiver
  #live = new Set(); // tracks that bring media
  #succession = new Succession({
    lastPacket: (track) => this.#lastPacket(track),
    onSuccess: (track, old, id) => this.#replace(track, old, id),
  });

  constructor({ onLive, onTrack }) {
    Object.assign(this, { onLive, onTrack });
  }

  /** The MediaStream of a stream id; undefined until its first track. */
  get(id) {
    return this.#streams.get(id);
  }

  /**
   * Of a stream, the kinds that are being received, and when (see clock) the last packet of them came. previous: by the
   * connection that is being followed by another one, see followed().
   */
  flow(id, { previous = false } = {}) {
    const tracks = (this.#streams.get(id)?.getTracks() ?? [])
      .filter((track) => this.#flows(track) && this.#succession.concerns(track) === previous);
    const times = tracks.map((track) => this.#lastPacket(track));
    return { kinds: tracks.map(({ kind }) => kind), last: Math.max(-Infinity, ...times) };
  }

  #flows(track) {
    return this.#live.has(track) && track.readyState === 'live' && !track.muted;
  }

  // -Infinity: none came in the last 10 s. Browsers that cannot tell are taken to have received until now.
  #lastPacket(track) {
    const sources = this.#transceivers.get(track)?.receiver.getSynchronizationSources?.();
    return sources ? Math.max(-Infinity, ...sources.map(({ timestamp }) => timestamp)) : clock();
  }

  add(track, received, transceiver) {
    const { id } = received;
    const stream = this.#streams.get(id) ?? new MediaStream();
    this.#streams.set(id, stream);
    this.#transceivers.set(track, transceiver);
    // Those of a closed connection have ended; until now they showed the last picture.
    for (const old of stream.getTracks()) {
      if (old.readyState === 'ended' && old.kind === track.kind) this.#forget(stream, old);
    }
    received.onremovetrack = ({ track: gone }) => this.#forget(stream, gone);
    if (!this.#succession.await(track, stream.getTracks(), id)) this.#show(track, id);
  }

  /** Another connection is to bring what is received now: each track stays until media of the one after it arrives. */
  followed() {
    this.#succession.begin([...this.#streams.values()].flatMap((stream) => stream.getTracks()));
  }

  /**
   * The connection before is about to be closed: tracks that are still awaited take their places at once. Returns for how
   * long media of the others was away, the longest time in ms.
   */
  succeeded() {
    return this.#succession.end();
  }

  remove(id) {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    for (const track of stream?.getTracks() ?? []) this.#forget(stream, track);
    this.#succession.forgetStream(id);
  }

  #replace(track, old, id) {
    const transceiver = this.#transceivers.get(old);
    track.enabled = old.enabled; // the application may have turned it off
    this.#forget(this.#streams.get(id), old);
    this.#show(track, id);
    transceiver?.stop(); // Chromium goes on to play a track of sound that was removed, even one that is turned off then
  }

  #show(track, id) {
    const stream = this.#streams.get(id);
    stream.addTrack(track);
    const live = () => {
      this.#live.add(track);
      this.onLive(track, id);
    };
    track.onunmute = live;
    this.onTrack(track, id, stream);
    if (!track.muted) live();
  }

  #forget(stream, track) {
    this.#live.delete(track);
    this.#transceivers.delete(track);
    this.#succession.forget(track);
    stream.removeTrack(track);
  }
}
