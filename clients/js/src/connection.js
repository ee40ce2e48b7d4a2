// What the publish and the subscribe connection have in common: the peer connection, candidates both ways, repair.
import { backoff, delay } from './api.js';

const candidateBatch = 10; // ms in which candidates are gathered into one request
const maxEarlyCandidates = 64;
const healTime = 3_000; // ms that ICE is given to heal by itself (RFC 8445 disconnected is often short)
const connectTime = 10_000; // ms to get connected
const repairPause = 2_000; // ms in which the same trouble, seen here and at the server, is repaired once
const repairTime = { min: 5_000, max: 30_000 }; // ms for a repair to help, longer each time
const maxRepairs = 5; // then only a rejoin can help

/**
 * One of the two connections. The host, a Session, gives { api, epoch, iceServers, PeerConnection, emit, stale, startOver,
 * changed, mediaDown }. One life of a connection is one join and epoch: `signal` aborts when that is over. Subclasses have
 * repairWith({ iceRestart } | { fresh }).
 */
export class Connection {
  pc = null;
  previous = null; // the peer connection of the epoch before, which goes on until this one carries its media
  #life = new AbortController();
  #timer;
  #repairs = 0;
  #repairedAt = -Infinity;
  #outgoing = [];
  #early = []; // candidates of the server that came before its description
  #counters = null;

  constructor(kind, host) {
    this.kind = kind;
    this.host = host;
  }

  get signal() {
    return this.#life.signal;
  }

  get state() {
    return this.pc?.connectionState ?? 'closed';
  }

  /**
   * Ends this life: what is under way is dropped, the next offer begins anew. keep: a peer connection that works goes on
   * as it is until release().
   */
  reset({ keep = false } = {}) {
    this.#life.abort(new DOMException('a newer epoch', 'AbortError'));
    this.#life = new AbortController();
    this.#repairs = 0;
    this.release();
    if (keep && this.state === 'connected') this.#keep();
    this.closePeer();
  }

  // Nothing mends it any more: the one that follows is being made.
  #keep() {
    const { pc } = this;
    this.pc = null;
    this.previous = pc;
    pc.onconnectionstatechange = () => pc === this.previous && this.release();
  }

  /** Closes the peer connection of the epoch before. */
  release() {
    const { previous } = this;
    this.previous = null;
    previous?.close();
  }

  openPeer() {
    this.closePeer();
    const pc = new this.host.PeerConnection({ iceServers: this.host.iceServers, bundlePolicy: 'max-bundle' });
    pc.onicecandidate = ({ candidate }) => this.#trickle(pc, candidate);
    pc.onconnectionstatechange = () => this.#changed(pc);
    this.pc = pc;
    return pc;
  }

  closePeer() {
    clearTimeout(this.#timer);
    const pc = this.pc;
    this.pc = null;
    this.#outgoing = [];
    this.#early = [];
    this.#counters = null;
    pc?.close();
  }

  setIceServers(iceServers) {
    this.pc?.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
  }

  async setRemote(type, sdp) {
    const { pc } = this;
    await pc.setRemoteDescription({ type, sdp });
    const early = this.#early.splice(0);
    for (const candidate of early) await this.addCandidate(candidate);
  }

  /** Takes a candidate of the server, null for the end of them. */
  async addCandidate(candidate) {
    if (!this.pc?.remoteDescription) {
      if (this.#early.length < maxEarlyCandidates) this.#early.push(candidate);
      return;
    }
    await this.pc.addIceCandidate(candidate ?? undefined).catch(() => {}); // of an older ICE generation: of no use
  }

  #trickle(pc, candidate) {
    if (pc !== this.pc) return;
    if (this.#outgoing.length === 0) this.#flushSoon(pc, this.signal);
    this.#outgoing.push(candidate);
  }

  async #flushSoon(pc, signal) {
    try {
      await delay(candidateBatch, signal);
      if (pc !== this.pc) return;
      const found = this.#outgoing.splice(0);
      const candidates = found.filter((c) => c?.candidate).map(plain);
      if (candidates.length === 0 && !found.includes(null)) return;
      const body = { epoch: this.host.epoch, candidates, ...(found.includes(null) ? { end: true } : {}) };
      await this.host.api.call('POST', `${this.host.api.user}/${this.kind}/candidates`, { body, signal });
    } catch (err) {
      // Candidates only help: the server learns of us from our checks too. A stale epoch shows elsewhere.
      if (!signal.aborted) this.host.emit('warning', { what: `${this.kind} candidates`, error: err });
    }
  }

  #changed(pc) {
    if (pc !== this.pc) return;
    const state = pc.connectionState;
    this.host.emit('connection-state', { connection: this.kind, epoch: this.host.epoch, state, by: 'client' });
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#repairs = 0;
    }
    this.host.changed(this.kind, state);
    if (state === 'connecting') this.#repairIn(this.#patience);
    if (state === 'disconnected') this.#repairIn(healTime);
    if (state === 'failed') this.repair();
  }

  // With every repair that did not help the next one is further off, and less at the same time as those of others.
  get #patience() {
    return this.#repairs === 0 ? connectTime : backoff(this.#repairs, repairTime);
  }

  #repairIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.repair(), ms);
  }

  /**
   * Mends a broken connection: an ICE restart, then fresh peer connections, at last a rejoin. force: the server sees it
   * broken, whatever it looks like from here.
   */
  repair({ force = false } = {}) {
    if (!force && this.state === 'connected') this.#repairs = 0;
    if (!force && (!this.pc || this.state === 'connected')) return;
    this.#repairIn(this.#patience);
    if (this.host.mediaDown || performance.now() - this.#repairedAt < repairPause) return; // `reconnect` is on its way
    this.#repairedAt = performance.now();
    this.#repairs++;
    if (this.#repairs > maxRepairs) this.host.startOver();
    else this.repairWith(this.#repairs === 1 ? { iceRestart: true } : { fresh: true });
  }

  /** The network is another one: the way to the server is looked for anew at once, however well it looks from here. */
  moved() {
    if (!this.pc) return;
    this.#repairs = 0;
    this.#repairedAt = -Infinity;
    this.repair({ force: true });
  }

  /** Bits per second both ways since the last call, and what the connection is like. */
  async stats() {
    const { pc } = this;
    if (!pc) return { state: 'closed', bitrateIn: 0, bitrateOut: 0, rtt: null };
    const report = [...(await pc.getStats()).values()];
    const transport = report.find((s) => s.type === 'transport') ?? {};
    const pair = report.find((s) => s.id === transport.selectedCandidatePairId) ?? {};
    const now = { at: performance.now(), in: transport.bytesReceived ?? 0, out: transport.bytesSent ?? 0 };
    const last = this.#counters ?? now;
    this.#counters = now;
    const rate = (bytes) => (now.at > last.at ? Math.max(0, (bytes * 8_000) / (now.at - last.at)) : 0);
    return {
      state: pc.connectionState,
      bitrateIn: rate(now.in - last.in),
      bitrateOut: rate(now.out - last.out),
      rtt: pair.currentRoundTripTime ?? null, // seconds
    };
  }
}

// The fields of RTCIceCandidateInit that are there: the API refuses null.
function plain(candidate) {
  return Object.fromEntries(Object.entries(candidate.toJSON()).filter(([, value]) => value !== null));
}
