// What one wants to receive: the streams of subscribe(), and the highest layers of setMaxLayer().

/** Safe to ask at any time: body is what PUT .../subscriptions takes. */
export class Wishes {
  #streams = null; // of subscribe(); null: all
  #limits = new Map(); // stream id -> highest layer

  /** Whether there is nothing that the server would not do by itself. */
  get isDefault() {
    return !this.#streams && this.#limits.size === 0;
  }

  get body() {
    if (this.#streams) return { mode: 'list', streams: this.#streams.map((stream) => this.#limited(stream)) };
    if (this.#limits.size === 0) return { mode: 'all' };
    return { mode: 'all', streams: [...this.#limits].map(([id, maxLayer]) => ({ id, maxLayer })) };
  }

  choose({ mode = 'all', streams }) {
    this.#streams = mode === 'all' ? null : (streams ?? []);
  }

  /** null: no limit. Returns whether that is another wish than before. */
  limit(id, layer) {
    if ((this.#limits.get(id) ?? null) === layer) return false;
    if (layer === null) this.#limits.delete(id);
    else this.#limits.set(id, layer);
    return true;
  }

  get all() {
    return this.#streams === null;
  }

  /** The kinds of media of a stream that are wanted of a list. */
  kinds(id) {
    const stream = this.#streams.find((s) => s.id === id);
    return stream ? (stream.kinds ?? ['audio', 'video']) : [];
  }

  #limited(stream) {
    return this.#limits.has(stream.id) ? { ...stream, maxLayer: this.#limits.get(stream.id) } : stream;
  }
}
