// The subscribe connection: the server offers, the client answers.
import { ApiError, backoff, delay } from './api.js';
import { Connection } from './connection.js';

/** Answers the server's offers in order and hands over the tracks that they bring: onTrack(track, received, transceiver). */
export class Subscriber extends Connection {
  stopped = false;
  #seq = 0;
  #origin = ''; // o= line of the server's peer connection that ours is connected to
  #queue = Promise.resolve();
  #faults = 0; // offers in a row that the browser could not take

  constructor(host, onTrack) {
    super('subscribe', host);
    this.onTrack = onTrack;
  }

  /** A new join or epoch: the server offers by itself, counting from 1 again. keep: see reset(). */
  restart({ keep } = {}) {
    this.reset({ keep });
    this.#seq = 0;
  }

  /** The message `offer`, also what `sync` has. */
  offer(offer) {
    const { signal } = this;
    this.#queue = this.#queue.then(() => this.#answer(offer, signal)).catch((err) => this.#failed(err, signal));
  }

  sync(known) {
    if (known?.offer && known.seq > this.#seq) this.offer({ seq: known.seq, sdp: known.offer });
    else if (this.pc && known?.state === 'failed') this.repair({ force: true });
  }

  repairWith(how) {
    if (this.stopped) return;
    const { signal } = this;
    this.request(how).catch((err) => this.#failed(err, signal));
  }

  /** Asks for an offer: the first one after stop(), { fresh } or { iceRestart }. */
  async request(how = {}) {
    this.stopped = false;
    const { api, epoch } = this.host;
    await api.call('POST', `${api.user}/subscribe/offer`, { body: { epoch, ...how }, signal: this.signal });
  }

  /** No more media until request(). */
  async stop() {
    this.stopped = true;
    this.release();
    this.closePeer();
    await this.host.api.call('DELETE', `${this.host.api.user}/subscribe`, { signal: this.signal });
  }

  async #answer({ seq, sdp }, signal) {
    if (signal.aborted || this.stopped || seq <= this.#seq) return;
    this.#seq = seq;
    const origin = /^o=(\S+ \S+)/m.exec(sdp)?.[1] ?? '';
    if (!this.pc || origin !== this.#origin) this.#open();
    this.#origin = origin;
    const { pc } = this;
    await this.setRemote('offer', sdp);
    await pc.setLocalDescription(await pc.createAnswer());
    signal.throwIfAborted();
    this.#faults = 0;
    const { api, epoch } = this.host;
    const body = { sdp: pc.localDescription.sdp, seq, epoch };
    await api.call('PUT', `${api.user}/subscribe`, { body, signal, attempts: Infinity });
  }

  #open() {
    const pc = this.openPeer();
    pc.ontrack = ({ track, streams, transceiver }) => {
      if (streams[0]) this.onTrack(track, streams[0], transceiver);
    };
  }

  closePeer() {
    if (this.pc && !this.stopped) this.host.interrupted(); // while the receivers still know when their last packet came
    super.closePeer();
  }

  release() {
    if (this.previous) this.host.succeeded(); // likewise
    super.release();
  }

  async #failed(err, signal) {
    if (signal.aborted || this.stopped) return;
    if (err instanceof ApiError) {
      if (err.code === 'stale_epoch') await this.host.stale().catch(() => {});
      else if (err.status !== 409) this.host.emit('error', err); // 409: a newer offer is on its way
      return;
    }
    this.host.emit('warning', { what: 'subscribe offer', error: err });
    this.closePeer();
    await delay(backoff(this.#faults++, this.host.api.retry), signal).catch(() => {});
    if (!signal.aborted) this.repairWith({ fresh: true });
  }
}
