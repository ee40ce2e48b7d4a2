// The messages of one user, by long poll: none lost, none twice.
import { ApiError, backoff, delay } from './api.js';

const wait = 25; // s that a poll may hang
const timeout = 40_000; // ms after which a poll is given up: its answer was lost on the way
const limit = 64;
const remembered = 2_048; // ids: many times what can come again, which is what is not acknowledged yet
const takenOverWindow = 60_000; // ms

/**
 * Yields each message once, in order. A batch is acknowledged, with the next poll, when all of it has been consumed.
 * onState('lost' | 'ok', error) tells when polls fail and when they work again. anew() gives a signal: when it aborts, the
 * poll that hangs is given up for another one. Ends by throwing: the signal's reason; an ApiError 401, 404 (user removed), 410 (session closed); 409 when another poll of this user has taken over for good.
 */
export async function* messages(api, { signal, anew, onState = () => {} }) {
  const seen = new Set();
  const poller = new Poller(api, signal, anew, onState);
  for (;;) {
    for (const message of await poller.next()) {
      if (seen.has(message.id)) continue;
      seen.add(message.id);
      if (seen.size > remembered) seen.delete(seen.values().next().value);
      yield message;
    }
  }
}

class Poller {
  #failures = 0;
  #takenOverAt = -Infinity;
  #cursor;

  constructor(api, signal, anew, onState) {
    Object.assign(this, { api, signal, anew, onState });
  }

  /** The next batch; what the last call returned is acknowledged. */
  async next() {
    for (;;) {
      const anew = this.anew();
      const signal = AbortSignal.any([this.signal, anew]);
      try {
        const ack = this.#cursor ? `&ack=${encodeURIComponent(this.#cursor)}` : '';
        const url = `${this.api.user}/messages?wait=${wait}&limit=${limit}${ack}`;
        const batch = await this.api.call('GET', url, { signal, timeout, attempts: 1 });
        if (this.#failures > 0) this.onState('ok');
        this.#failures = 0;
        this.#cursor = batch.cursor;
        return batch.messages;
      } catch (err) {
        if (!anew.aborted) await this.#failed(err, signal);
        this.signal.throwIfAborted();
      }
    }
  }

  async #failed(err, signal) {
    this.signal.throwIfAborted();
    if (err instanceof ApiError) {
      if ([401, 403, 404, 410].includes(err.status)) throw err;
      if (err.status === 409) this.#takenOver(err);
      if (err.status === 422) this.#cursor = undefined; // not known there: the same messages come again
    }
    if (this.#failures === 0) this.onState('lost', err);
    const pause = Math.max(backoff(this.#failures++, this.api.retry), err.retryAfter ?? 0);
    await delay(pause, signal).catch(() => {}); // the caller sees why
  }

  // One 409 may be an echo of our own poll that a proxy repeated. Twice means another page of this user; the one that
  // came first also gives up first, so exactly one goes on.
  #takenOver(err) {
    const now = performance.now();
    if (now - this.#takenOverAt < takenOverWindow) throw err;
    this.#takenOverAt = now;
  }
}
