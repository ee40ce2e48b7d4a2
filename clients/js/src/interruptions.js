// Which received streams are interrupted: media that was there and is missing until it is back, or no longer expected.

/** onInterrupted(streamId); onRecovered(streamId, ms): ms since the last media before, null when none is expected any more. */
export class Interruptions {
  #missing = new Map(); // stream id -> { since, kinds }

  constructor({ onInterrupted, onRecovered }) {
    Object.assign(this, { onInterrupted, onRecovered });
  }

  get ids() {
    return [...this.#missing.keys()];
  }

  /** Media of these kinds, which last came at since (ms of the clock below), has stopped. The first word counts. */
  begin(id, kinds, since) {
    if (kinds.length === 0 || this.#missing.has(id)) return;
    this.#missing.set(id, { since, kinds: new Set(kinds) });
    this.onInterrupted(id);
  }

  /** Media of a kind arrives. With the last kind that was missing the stream is back. */
  arrived(id, kind) {
    const missing = this.#missing.get(id);
    if (!missing?.kinds.delete(kind) || missing.kinds.size > 0) return;
    this.#missing.delete(id);
    this.onRecovered(id, Math.max(0, clock() - missing.since));
  }

  /** Only these kinds are sent now: others are missed no more. */
  expect(id, kinds) {
    const missing = this.#missing.get(id);
    if (!missing) return;
    for (const kind of [...missing.kinds]) if (!kinds.includes(kind)) missing.kinds.delete(kind);
    if (missing.kinds.size > 0) return;
    this.#missing.delete(id);
    this.onRecovered(id, null);
  }

  forget(id) {
    this.#missing.delete(id);
  }
}

/** The clock of RTCRtpContributingSource.timestamp: milliseconds since 1970, without jumps. */
export const clock = () => performance.timeOrigin + performance.now();
