// Orkestro for browsers: one user in one session. See README.md; types are in orkestro.d.ts.
import { Api, ApiError, delay } from './src/api.js';
import { Interruptions } from './src/interruptions.js';
import { RemoteMedia } from './src/media.js';
import { messages } from './src/messages.js';
import { watchNetwork } from './src/network.js';
import { Publisher } from './src/publisher.js';
import { Roster } from './src/roster.js';
import { Subscriber } from './src/subscriber.js';
import { Wishes } from './src/wishes.js';

export { ApiError };

const joinTime = 8_000; // ms to wait for `joined`, then ask for it by a rejoin
const rejoinTime = 15_000; // ms for `joined` to follow a rejoin
const staleTime = 500; // ms between looks at the session while an epoch is refused that it still has
const minRenewal = 5_000; // ms between two renewals of the token
const layerTime = 200; // ms in which wishes for layers become one call
const relocationTime = 20_000; // ms that connections to the media server before are kept; it is to say when, before that
const maxTimer = 2 ** 31 - 1; // ms; longer ones fire at once
const relocating = 'relocating'; // the reason of a new epoch whose session was moved off a media server that lives

/** Joins with what POST .../users returned to your backend; resolves when the session's state is known. */
export async function join(options) {
  const session = new Session(options);
  await session.start();
  return session;
}

/** One user's presence in a session, until `closed`. */
export class Session extends EventTarget {
  #over = new AbortController();
  #moved = new AbortController(); // aborted, and replaced, when the network is another one
  #unwatch = () => {};
  #renewal;
  #roster;
  #remote;
  #interruptions;
  #publisher;
  #subscriber;
  #wishes = new Wishes();
  #layersAsked = null; // the call that the next wishes for layers go with
  #layersDue = false; // the server does not know of all wishes for layers
  #latest = new Map(); // message type -> { epoch, seq } of what only the newest counts of
  #quality = new Map();
  #mutedKinds = new Set();
  #joining = true; // nothing before `joined` concerns this join
  #began = performance.now();
  #mediaDue = null; // since when there is something to receive
  #gapSince = null; // when media was lost
  #relocation = null; // { from, epoch, gap, timer } while connections of an epoch before, from, go on
  #started = Promise.withResolvers?.() ?? withResolvers();
  #rejoined = null;

  constructor(options) {
    super();
    for (const name of ['session', 'user', 'token']) {
      if (!options[name]) throw new TypeError(`join: ${name} is missing; is this what POST .../users answered?`);
    }
    this.id = options.session.id ?? options.session;
    this.userId = options.user.id ?? options.user;
    this.epoch = options.epoch ?? 0;
    this.iceServers = options.iceServers ?? [];
    this.PeerConnection = options.RTCPeerConnection ?? globalThis.RTCPeerConnection;
    this.mediaDown = false;
    this.timings = { joined: null, firstMedia: null, lastGap: null };
    this.leaveOnUnload = options.leaveOnUnload ?? false;
    const { url, token, renewToken: renew, retry, simulcast = true } = options;
    this.api = new Api({ url, session: this.id, user: this.userId, token, renew, retry });
    this.expiresAt = options.expiresAt;
    this.#roster = new Roster((type, detail) => this.#told(type, detail));
    this.#remote = new RemoteMedia({
      onTrack: (track, id, stream) => this.emit('track', { track, streamId: id, mediaStream: stream }),
      onLive: (track, id) => this.#mediaArrived(track, id),
    });
    this.#interruptions = new Interruptions({
      onInterrupted: (streamId) => this.emit('interrupted', { streamId }),
      onRecovered: (streamId, ms) => this.emit('recovered', { streamId, ms }),
    });
    this.#publisher = new Publisher(this, { simulcast });
    this.#subscriber = new Subscriber(this, (...received) => this.#remote.add(...received));
  }

  get closed() {
    return this.#over.signal.aborted;
  }

  /** Everybody in the session by id, oneself too: { id, name, streams, ... }. */
  get users() {
    return this.#roster.users;
  }

  get me() {
    return this.users.get(this.userId);
  }

  /** The received media of a stream: the same MediaStream for as long as the stream is there. */
  mediaStream(streamId) {
    return this.#remote.get(streamId);
  }

  /** addEventListener for the detail alone; returns a function that removes it. */
  on(type, listener) {
    const wrapped = ({ detail }) => listener(detail);
    this.addEventListener(type, wrapped);
    return () => this.removeEventListener(type, wrapped);
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Begins to take messages; resolves with the first `joined` or `sync`. */
  async start() {
    this.#receive();
    this.#renewLater();
    globalThis.addEventListener?.('pagehide', this.#pageHidden);
    this.#unwatch = watchNetwork(() => this.#networkChanged());
    const late = setTimeout(() => this.rejoin().catch((err) => this.#started.reject(err)), joinTime);
    try {
      await this.#started.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** Publishes a MediaStream, or brings its published tracks up to date after some were added or removed. */
  publish(mediaStream) {
    this.#over.signal.throwIfAborted();
    this.#applyMute(mediaStream.getTracks());
    return this.#publisher.publish(mediaStream);
  }

  /** Stops publishing one MediaStream, or all. */
  unpublish(mediaStream) {
    this.#over.signal.throwIfAborted();
    return this.#publisher.unpublish(mediaStream);
  }

  /** Sends another track of the same kind in place of old, without negotiating. */
  replaceTrack(old, track) {
    this.#applyMute([track]);
    return this.#publisher.replaceTrack(old, track);
  }

  /** Mutes 'audio' or 'video' of all that one publishes, here and at the server. */
  async mute(kind, muted = true) {
    if (muted) this.#mutedKinds.add(kind);
    else this.#mutedKinds.delete(kind);
    this.#applyMute(this.#publisher.tracks);
    const own = (this.me?.streams ?? []).filter((stream) => stream.kinds.includes(kind));
    await Promise.all(own.map((stream) => this.#pause(stream, [kind], muted)));
  }

  /** Chooses what to receive: { mode: 'all' } or { mode: 'list', streams: [{ id, kinds?, maxLayer? }] }. */
  async subscribe({ mode = 'all', streams } = {}) {
    this.#wishes.choose({ mode, streams });
    await this.#call('PUT', '/subscriptions', this.#wishes.body);
    this.#missOnlyWanted();
    if (this.#subscriber.stopped) await this.#subscriber.request();
  }

  /**
   * Receives of a stream's video at most this layer, 0 being the smallest picture; null: the best there is. Wishes that are
   * made together are one call.
   */
  async setMaxLayer(streamId, layer) {
    if (this.#wishes.limit(streamId, layer)) this.#layersDue = true;
    if (!this.#layersDue) return;
    this.#layersAsked ??= delay(layerTime, this.#over.signal).then(() => this.#askForLayers());
    await this.#layersAsked;
  }

  async #askForLayers() {
    this.#layersAsked = null;
    this.#layersDue = false;
    try {
      await this.#call('PUT', '/subscriptions', this.#wishes.body);
    } catch (err) {
      this.#layersDue = true; // or the same wish, made again, would be taken for granted
      throw err;
    }
  }

  /** What one is sent of the streams that have several layers: stream id -> { layer, layers, limit }. */
  get quality() {
    return this.#quality;
  }

  /** Receives nothing until subscribe(). */
  unsubscribe() {
    return this.#subscriber.stop();
  }

  /** Sends an application message to everybody (oneself too), or to one user; resolves to its id. */
  async send(type, data, to) {
    const { id } = await this.#call('POST', '/messages', { type, data, ...(to === undefined ? {} : { to }) });
    return id;
  }

  /** Joins anew under the same id with the token at hand: new connections, what was published is published again. */
  rejoin() {
    this.#rejoined ??= this.#rejoin().finally(() => {
      this.#rejoined = null;
    });
    return this.#rejoined;
  }

  /** Leaves the session. */
  async leave() {
    if (this.closed) return;
    const { api } = this;
    this.#close({ reason: 'left' });
    await api.call('DELETE', api.user).catch((err) => {
      if (![401, 404, 410].includes(err.status)) throw err; // gone already
    });
  }

  /** { publish, subscribe }, each { state, bitrateIn, bitrateOut (bits per second), rtt (seconds) }. */
  async stats() {
    const [publish, subscribe] = await Promise.all([this.#publisher.stats(), this.#subscriber.stats()]);
    return { publish, subscribe };
  }

  /** The session as the server has it: { id, epoch, pipeline: { id, server }, ... }. */
  info() {
    return this.api.call('GET', this.api.session, { signal: this.#over.signal });
  }

  /** A call said that our epoch is not the session's: look, rather than wait for `reconnect`. */
  async stale() {
    const { epoch } = await this.info();
    if (epoch > this.epoch) this.#enter(epoch);
    else await delay(staleTime, this.#over.signal);
  }

  #call(method, path, body) {
    return this.api.call(method, this.api.user + path, { body, signal: this.#over.signal });
  }

  async #rejoin() {
    const before = this.#joining;
    this.#joining = true;
    const joined = new Promise((resolve) => this.addEventListener('joined', () => resolve(true), { once: true }));
    try {
      const { token, expiresAt, iceServers } = await this.#call('POST', '/rejoin');
      this.api.token = token;
      this.expiresAt = expiresAt;
      this.#useIceServers(iceServers);
      this.#renewLater();
    } catch (err) {
      this.#joining = before;
      throw err;
    }
    if (!(await Promise.race([joined, delay(rejoinTime, this.#over.signal)]))) throw new Error('rejoined, but not told so');
  }

  async #receive() {
    const { signal } = this.#over;
    const onState = (state, error) => this.emit('signalling', { state, error });
    const anew = () => this.#moved.signal;
    try {
      for await (const message of messages(this.api, { signal, anew, onState })) {
        const waiting = this.timings.joined === null;
        this.#takeSafely(message);
        if (waiting) await delay(0, signal); // whoever awaited join() adds listeners before the next message
      }
    } catch (err) {
      if (!signal.aborted) this.#close({ reason: endOf(err), error: err });
    }
  }

  // A message that makes no sense must not keep the next one from being taken.
  #takeSafely(message) {
    try {
      this.#take(message);
    } catch (error) {
      this.emit('warning', { what: `message ${message.type} ${message.id}`, error });
    }
  }

  #take(message) {
    const { type, data, epoch } = message;
    if (this.#joining && !this.#begins(type)) return;
    const mine = data.epoch === undefined || data.epoch === this.epoch;
    const connection = data.connection === 'publish' ? this.#publisher : this.#subscriber;
    switch (type) {
      case 'joined':
        return this.#joinedAs(data);
      case 'sync':
        return this.#synced(data);
      case 'user-joined':
        return this.#roster.joined(data);
      case 'user-left':
        this.#roster.left(data);
        return data.user.id === this.userId && this.#close({ reason: data.reason });
      case 'stream-added':
        return this.#roster.put(data);
      case 'stream-updated':
        return this.#roster.updated(data);
      case 'stream-removed':
        return this.#roster.removed(data);
      case 'answer':
        return mine && this.#publisher.answer(data);
      case 'offer':
        if (data.epoch > this.epoch) this.#enter(data.epoch);
        return data.epoch === this.epoch && this.#subscriber.offer(data);
      case 'candidate':
        return mine && connection.addCandidate(data.end ? null : data.candidate);
      case 'connection-state':
        return mine && this.emit(type, { ...data, by: 'server' });
      case 'connection-failed':
        return mine && this.#failed(connection, data);
      case 'disconnected':
        return data.epoch < this.epoch ? this.#relocated(data.epoch) : this.#mediaLost(data);
      case 'reconnect':
        return data.epoch > this.epoch && this.#enter(data.epoch, data.reason);
      case 'ice-servers':
        return this.#useIceServers(data.iceServers);
      case 'quality':
        return this.#newest(type, data) && this.#qualityIs(data);
      case 'speakers':
        return this.#newest(type, data) && this.emit(type, data);
      case 'message':
        return this.emit(type, { ...data, id: message.id, from: message.from, time: message.time });
      case 'error':
        return this.emit(type, Object.assign(new Error(data.detail), data));
      case 'session-closed':
        return this.#close(data);
      default: // of a later version of the API
        return this.emit('warning', { what: `message ${type} in epoch ${epoch}`, error: null });
    }
  }

  // Messages that hold everything may overtake each other.
  #newest(type, { epoch, seq }) {
    const last = this.#latest.get(type);
    if (epoch !== this.epoch || (last?.epoch === epoch && last.seq >= seq)) return false;
    this.#latest.set(type, { epoch, seq });
    return true;
  }

  #qualityIs({ bandwidth, streams }) {
    this.#quality = new Map(streams.map(({ id, ...quality }) => [id, quality]));
    this.emit('quality', { bandwidth, streams });
  }

  // What comes before `joined` is of an earlier join; only a lost queue may begin with `sync`.
  #begins(type) {
    return type === 'joined' || type === 'session-closed' || (type === 'sync' && this.timings.joined === null);
  }

  // Everything begins anew: first join, rejoin, or a join by the backend in our place.
  #joinedAs({ user, users, iceServers, epoch }) {
    this.#useIceServers(iceServers);
    this.epoch = epoch;
    this.mediaDown = false;
    const first = this.timings.joined === null;
    this.#joining = false;
    this.#roster.replace(users.some(({ id }) => id === user.id) ? users : [...users, user]);
    this.timings.joined ??= performance.now() - this.#began;
    this.emit('joined', { users: this.users, epoch });
    this.#started.resolve();
    this.#restart();
    this.#latest.clear();
    if (!first && !this.#wishes.isDefault) {
      this.#call('PUT', '/subscriptions', this.#wishes.body).catch((err) => this.emit('error', err));
    }
  }

  #synced({ users, iceServers, epoch, connections }) {
    this.#useIceServers(iceServers);
    this.#joining = false;
    this.#roster.replace(users);
    this.timings.joined ??= performance.now() - this.#began;
    if (epoch > this.epoch) this.#enter(epoch);
    const known = (kind) => connections.find((c) => c.kind === kind);
    this.#publisher.sync(known('publish'));
    this.#subscriber.sync(known('subscribe'));
    this.emit('sync', { users: this.users, epoch });
    this.#started.resolve();
  }

  // A new pipeline: both connections are made anew. Unless the one before is gone, they are kept for a while.
  #enter(epoch, reason = relocating) {
    const first = this.epoch === 0;
    const keep = !first && !this.mediaDown && reason === relocating;
    const from = this.epoch;
    this.epoch = epoch;
    this.mediaDown = false;
    this.#restart({ keep });
    if (this.#publisher.previous || this.#subscriber.previous) this.#relocate(from, epoch);
    else if (!first) this.emit('reconnect', { epoch });
  }

  #restart({ keep = false } = {}) {
    this.#endRelocation();
    this.#publisher.restart({ keep });
    this.#subscriber.restart({ keep });
  }

  #relocate(from, epoch) {
    if (this.#subscriber.previous) this.#remote.followed();
    this.#relocation = { from, epoch, gap: 0, timer: setTimeout(() => this.#relocated(), relocationTime) };
    this.emit('relocating', { epoch });
  }

  // The media server of an epoch before releases its pipeline, or should have. The end of an earlier one may be told late.
  #relocated(before = this.epoch) {
    const relocation = this.#relocation;
    if (!relocation || before < relocation.from) return;
    this.#publisher.release();
    this.#subscriber.release();
    if (this.#relocation !== relocation) return; // the application has left when it was told of a track
    this.#endRelocation();
    this.emit('relocated', { epoch: relocation.epoch, gap: relocation.gap });
  }

  #endRelocation() {
    clearTimeout(this.#relocation?.timer);
    this.#relocation = null;
  }

  /** The kept subscribe connection is about to be closed: what it still brings is missing until the new one does. */
  succeeded() {
    if (!this.#subscriber.stopped) this.interrupted({ previous: true });
    const gap = this.#remote.succeeded();
    if (this.#relocation) this.#relocation.gap = gap;
  }

  #failed(connection, data) {
    this.emit('connection-failed', data);
    if (data.retry) connection.repair({ force: true });
    else this.startOver();
  }

  /** A rejoin, because nothing less helps. */
  startOver() {
    this.rejoin().catch((err) => {
      // Failed too often: the user is being removed, which the next poll tells.
      if (!this.closed && ![404, 410].includes(err.status)) this.emit('error', err);
    });
  }

  // The poll that hangs may never be answered, and both connections have to be found on the new network.
  #networkChanged() {
    this.#moved.abort(new DOMException('another network', 'AbortError'));
    this.#moved = new AbortController();
    this.#publisher.moved();
    this.#subscriber.moved();
  }

  #mediaLost(data) {
    this.mediaDown = true;
    this.#gapSince ??= performance.now();
    this.interrupted();
    this.emit('disconnected', data);
  }

  #mediaArrived(track, streamId) {
    this.timings.firstMedia ??= performance.now() - (this.#mediaDue ?? this.#began);
    this.emit('media', { track, streamId });
    this.#interruptions.arrived(streamId, track.kind);
    this.#recovered();
  }

  /** What is being received stops: the media server is gone, or the connection is lost or made anew, or a kept one ends. */
  interrupted({ previous = false } = {}) {
    if (this.closed) return;
    for (const { id: user, streams } of this.users.values()) {
      if (user !== this.userId) streams.forEach((stream) => this.#interrupt(stream, previous));
    }
  }

  #interrupt(stream, previous) {
    const { kinds, last } = this.#remote.flow(stream.id, { previous });
    if (last > -Infinity) this.#interruptions.begin(stream.id, kinds.filter(sentOf(stream)), last);
  }

  // What is no longer subscribed to is missed no more.
  #missOnlyWanted() {
    if (this.#wishes.all) return;
    for (const id of this.#interruptions.ids) this.#interruptions.expect(id, this.#wishes.kinds(id));
  }

  /** The state of a connection has changed. */
  changed(kind, state) {
    if (state === 'connected') this.#connected(kind);
    else if (kind === 'subscribe' && (state === 'disconnected' || state === 'failed')) this.interrupted();
  }

  #connected(kind) {
    const others = [...this.users.values()].filter(({ id }) => id !== this.userId);
    // With nobody to receive from, a connection is all there is to wait for.
    if (!others.some(({ streams }) => streams.length > 0)) this.#recovered();
    if (kind !== 'subscribe') return;
    // A connection that has healed goes on with the tracks that it had; those of a new one tell when their media arrives.
    for (const id of this.#interruptions.ids) {
      for (const flowing of this.#remote.flow(id).kinds) this.#interruptions.arrived(id, flowing);
    }
  }

  #recovered() {
    if (this.#gapSince === null || this.mediaDown) return;
    this.timings.lastGap = performance.now() - this.#gapSince;
    this.#gapSince = null;
    this.emit('reconnected', { epoch: this.epoch, gap: this.timings.lastGap });
  }

  // What the roster tells, with what follows from it.
  #told(type, detail) {
    const { stream } = detail;
    if (type === 'stream-updated') this.#interruptions.expect(stream.id, stream.kinds.filter(sentOf(stream)));
    if (type === 'stream-removed') {
      this.#forgetLayer(stream.id);
      this.#quality.delete(stream.id);
      this.#interruptions.forget(stream.id);
      this.#remote.remove(stream.id);
    }
    if (type === 'stream-added') {
      if (stream.user === this.userId) this.#muteNewStream(stream);
      else this.#mediaDue ??= this.timings.joined === null ? this.#began : performance.now();
    }
    this.emit(type, detail);
  }

  // The server is told, too: a stream may come back under the same id.
  #forgetLayer(id) {
    this.setMaxLayer(id, null).catch((err) => {
      if (!this.#over.signal.aborted) this.emit('error', err);
    });
  }

  #muteNewStream(stream) {
    const paused = new Set(stream.pausedKinds ?? []);
    const kinds = [...this.#mutedKinds].filter((kind) => stream.kinds.includes(kind) && !paused.has(kind));
    if (kinds.length > 0) this.#pause(stream, kinds, true).catch((err) => this.emit('error', err));
  }

  #pause(stream, kinds, paused) {
    const url = `${this.api.session}/streams/${encodeURIComponent(stream.id)}`;
    return this.api.call('PATCH', url, { body: { paused, kinds }, signal: this.#over.signal });
  }

  #applyMute(tracks) {
    for (const track of tracks) track.enabled = !this.#mutedKinds.has(track.kind);
  }

  #useIceServers(iceServers) {
    this.iceServers = iceServers ?? [];
    this.#publisher.setIceServers(this.iceServers);
    this.#subscriber.setIceServers(this.iceServers);
  }

  // At half of what is left, so that clocks may differ and a renewal that fails has time for another.
  #renewLater() {
    clearTimeout(this.#renewal);
    const left = this.expiresAt ? Date.parse(this.expiresAt) - Date.now() : 0;
    this.#renewal = setTimeout(() => this.#renew(), Math.min(Math.max(left / 2, minRenewal), maxTimer));
  }

  async #renew() {
    try {
      const { token, expiresAt } = await this.#call('POST', '/token');
      this.api.token = token;
      this.expiresAt = expiresAt;
    } catch (err) {
      if (!this.closed) this.emit('warning', { what: 'token renewal', error: err });
    }
    if (!this.closed) this.#renewLater();
  }

  // persisted: the browser keeps the page, asleep, in case one comes back to it. For the others one has left, so has one here.
  #pageHidden = ({ persisted }) => {
    if (!this.leaveOnUnload || this.closed) return;
    this.api.once('DELETE', this.api.user, { keepalive: true }).catch(() => {});
    if (persisted) this.#close({ reason: 'left' });
  };

  #close(detail) {
    if (this.closed) return;
    const over = new DOMException('the session is over', 'AbortError');
    this.#over.abort(over);
    clearTimeout(this.#renewal);
    this.#endRelocation();
    globalThis.removeEventListener?.('pagehide', this.#pageHidden);
    this.#unwatch();
    this.#publisher.reset();
    this.#subscriber.reset();
    this.#started.reject(detail.error ?? over);
    this.emit('closed', detail);
  }
}

function withResolvers() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}

// Whether a stream's owner sends a kind, rather than having paused it.
const sentOf = ({ state, pausedKinds = [] }) => (kind) => state !== 'paused' && !pausedKinds.includes(kind);

function endOf(err) {
  const reasons = { 401: 'unauthorized', 403: 'unauthorized', 404: 'removed', 409: 'superseded', 410: 'deleted' };
  return reasons[err.status] ?? 'failed';
}
