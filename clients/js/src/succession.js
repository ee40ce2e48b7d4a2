// Tracks of a new connection take the places of those of the one before, each when its media has arrived.

const lookTime = 20; // ms between two looks for first packets, less than a frame takes

/**
 * lastPacket(track): when media of it was last decoded, see clock; -Infinity: none yet. onSuccess(track, old, streamId):
 * track is to take old's place.
 */
export class Succession {
  #old = new Set(); // tracks of the connection before
  #heirs = new Map(); // track -> { old, id }
  #gap = 0;
  #timer;

  constructor({ lastPacket, onSuccess }) {
    Object.assign(this, { lastPacket, onSuccess });
  }

  /** Whether a track is one of the connection before. */
  concerns(track) {
    return this.#old.has(track);
  }

  begin(tracks) {
    this.#old = new Set(tracks);
    this.#gap = 0;
  }

  /** Takes a new track of a stream that has these; false: it has no old one of its kind, so there is nothing to wait for. */
  await(track, tracks, id) {
    for (const heir of this.#heirs.keys()) if (heir.readyState === 'ended') this.#heirs.delete(heir);
    const taken = new Set([...this.#heirs.values()].map(({ old }) => old));
    const old = tracks.find((other) => other.kind === track.kind && this.#old.has(other) && !taken.has(other));
    if (!old) return false;
    this.#heirs.set(track, { old, id });
    this.#timer ??= setInterval(() => this.#look(), lookTime);
    track.onunmute = () => this.#look(); // timers are slow in a page that is not seen
    return true;
  }

  /** The connection before goes. Returns the longest time in ms that media was away. */
  end() {
    for (const track of [...this.#heirs.keys()]) this.#succeed(track);
    this.#old.clear();
    return this.#gap;
  }

  forget(track) {
    this.#old.delete(track);
    this.#heirs.delete(track);
    this.#rest();
  }

  forgetStream(id) {
    for (const [track, heir] of this.#heirs) if (heir.id === id) this.forget(track);
  }

  #look() {
    for (const track of [...this.#heirs.keys()]) {
      if (!track.muted && this.lastPacket(track) > -Infinity) this.#succeed(track);
    }
  }

  #succeed(track) {
    const heir = this.#heirs.get(track);
    if (!heir) return; // gone by what the application did when it was told of another
    const { old, id } = heir;
    this.#heirs.delete(track);
    this.#rest();
    const away = this.lastPacket(track) - this.lastPacket(old);
    if (Number.isFinite(away)) this.#gap = Math.max(this.#gap, away);
    this.onSuccess(track, old, id);
  }

  #rest() {
    if (this.#heirs.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
