// The streams that are received, each as one MediaStream that stays the same object while connections come and go, so
// that a <video> keeps its srcObject over a change of media server.

/** onLive(track, streamId): first media of a track has arrived. */
export class RemoteMedia {
  #streams = new Map(); // stream id -> MediaStream
  #live = new Set(); // tracks that bring media

  constructor({ onLive, onTrack }) {
    Object.assign(this, { onLive, onTrack });
  }

  /** The MediaStream of a stream id; undefined until its first track. */
  get(id) {
    return this.#streams.get(id);
  }

  /** Whether any track brings media right now. */
  get live() {
    return [...this.#live].some((track) => track.readyState === 'live' && !track.muted);
  }

  add(track, received) {
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
      this.#live.add(track);
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
