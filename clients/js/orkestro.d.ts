/** Options of a {@link Session}: what `POST /v1/sessions/{sid}/users` answered, and where the API is. */
export interface SessionOptions {
  /** Base URL of the API; empty: the origin of the page. */
  url?: string;
  session: string | { id: string };
  user: string | { id: string };
  token: string;
  /** RFC 3339. Without it the token is renewed at once to learn it. */
  expiresAt?: string;
  iceServers?: RTCIceServer[];
  epoch?: number;
  /** Another token after a 401, from your backend. */
  renewToken?: () => Promise<string>;
  /** Leave when the page is closed or left for another one; otherwise the user stays for its grace time and may rejoin. */
  leaveOnUnload?: boolean;
  /** Camera pictures of 640 pixels and wider are sent in two sizes, of 960 and wider in three, so that each receiver gets what it can use; default true. */
  simulcast?: boolean;
  /** Backoff of retries in milliseconds. */
  retry?: { min?: number; max?: number };
  /** Stand-in for tests. */
  RTCPeerConnection?: typeof RTCPeerConnection;
}

export type Kind = 'audio' | 'video' | 'data';
export type ConnectionKind = 'publish' | 'subscribe';

export interface Stream {
  id: string;
  user: string;
  kinds: Kind[];
  state: 'active' | 'paused';
  pausedKinds?: Kind[];
}

export interface User {
  id: string;
  name: string;
  metadata: Record<string, unknown>;
  state: 'joined' | 'reconnecting';
  joinedAt: string;
  permissions: { publish: boolean; subscribe: boolean; message: boolean };
  streams: Stream[];
}

export type Subscriptions =
  | { mode?: 'all' } // limits of setMaxLayer hold in both modes
  | { mode: 'list'; streams: { id: string; kinds?: Kind[]; maxLayer?: number }[] };

/** What is received of a stream's video: `layer` of `layers`, 0 the smallest picture, -1 nothing; and why it is not more. */
export interface StreamQuality {
  layer: number;
  layers: number;
  limit: 'publisher' | 'bandwidth' | 'maxLayer' | (string & {});
}

export interface ConnectionStats {
  state: RTCPeerConnectionState;
  /** Bits per second since the last call. */
  bitrateIn: number;
  bitrateOut: number;
  /** Seconds; null: not known yet. */
  rtt: number | null;
}

/** Why a session is over for this client: `left` and `timeout` may be one's own doing, `superseded` is another page. */
export type CloseReason =
  | 'left' | 'removed' | 'timeout' | 'deleted' | 'empty' | 'superseded' | 'unauthorized' | 'failed' | (string & {});

/** Events and their `detail`. */
export interface SessionEvents {
  /** After join and after each rejoin. */
  joined: { users: Map<string, User>; epoch: number };
  /** The state was read anew; the differences were told as events before. */
  sync: { users: Map<string, User>; epoch: number };
  'user-joined': { user: User };
  'user-left': { user: User; reason: string };
  'stream-added': { stream: Stream; user: User };
  'stream-updated': { stream: Stream; user: User };
  'stream-removed': { stream: Stream; user: User };
  /** A track is being received; mediaStream is the same object for as long as the stream is there. */
  track: { track: MediaStreamTrack; streamId: string; mediaStream: MediaStream };
  /** The first media of a track has arrived. */
  media: { track: MediaStreamTrack; streamId: string };
  /** What is received of the streams that have several layers has changed; bandwidth in bits per second, 0: unknown. */
  quality: { bandwidth: number; streams: ({ id: string } & StreamQuality)[] };
  /** Who is heard, loudest first; oneself too. */
  speakers: { speakers: { user: string; stream: string }[] };
  /** An application message. */
  message: { id: string; from: string; time: string; type: string; data: unknown; to?: string };
  /** `by` says who saw it: this client or the server. */
  'connection-state': { connection: ConnectionKind; epoch: number; state: string; by: 'client' | 'server' };
  'connection-failed': { connection: ConnectionKind; epoch: number; retry: boolean };
  /**
   * A stream that was being received has stopped: the media server is gone, or the connection is lost or made anew. The
   * last picture stays; `recovered` follows by itself, unless the stream is removed first.
   */
  interrupted: { streamId: string };
  /**
   * An interrupted stream is back, with all kinds that it had. ms: from the last packet before to the first one after;
   * null: its owner has paused it, or it is not subscribed to any more, so that nothing more is to come.
   */
  recovered: { streamId: string; ms: number | null };
  /**
   * The session is moved to another media server while its media goes on: connections to that are being made under this
   * epoch, and each received track takes the place of the old one when its media arrives. `relocated` follows, unless a
   * still newer epoch, a rejoin or the end comes first.
   */
  relocating: { epoch: number };
  /**
   * The move is over, the old connections are closed. gap: for how long received media was away, the longest time of all
   * tracks in milliseconds, from the last packet of the old server to the first of the new one. A stream whose media is
   * still on its way is `interrupted` and tells its time by `recovered`.
   */
  relocated: { epoch: number; gap: number };
  /** The media server is gone; media comes back by itself. */
  disconnected: { epoch: number; reason: string };
  /** Connections are being made anew under this epoch. */
  reconnect: { epoch: number };
  /** Media is back; gap is the time since `disconnected` in milliseconds. */
  reconnected: { epoch: number; gap: number };
  /** Whether polls get through. */
  signalling: { state: 'ok' | 'lost'; error?: Error };
  /** Something failed that the session cannot mend by itself. */
  error: Error & { code?: string; detail?: string; request?: string };
  /** Something failed that does not matter by itself. */
  warning: { what: string; error: Error | null };
  closed: { reason: CloseReason; error?: Error };
}

/** Joins; resolves when it is known who is there. Rejects with an {@link ApiError} when the API refuses. */
export function join(options: SessionOptions): Promise<Session>;

export class Session extends EventTarget {
  constructor(options: SessionOptions);
  readonly id: string;
  readonly userId: string;
  readonly epoch: number;
  readonly closed: boolean;
  /** Everybody in the session, oneself too. */
  readonly users: ReadonlyMap<string, User>;
  readonly me: User | undefined;
  /**
   * Milliseconds; null: not yet. `joined`: from construction. `firstMedia`: to the first received media, from
   * construction or, when nobody published then, from the first stream of another user. `lastGap`: the last media gap.
   */
  readonly timings: { joined: number | null; firstMedia: number | null; lastGap: number | null };

  start(): Promise<void>;
  /** addEventListener for the detail alone; returns a function that removes the listener. */
  on<T extends keyof SessionEvents>(type: T, listener: (detail: SessionEvents[T]) => void): () => void;
  /** The received media of a stream; undefined until its first track. */
  mediaStream(streamId: string): MediaStream | undefined;
  /** Publishes, or negotiates again after tracks were added to or removed from the stream. */
  publish(mediaStream: MediaStream): Promise<void>;
  unpublish(mediaStream?: MediaStream): Promise<void>;
  replaceTrack(old: MediaStreamTrack, track: MediaStreamTrack): Promise<void>;
  mute(kind: Kind, muted?: boolean): Promise<void>;
  subscribe(subscriptions?: Subscriptions): Promise<void>;
  /** Receives at most this layer of a stream's video, 0 the smallest picture; null: the best there is. Ends with the stream. */
  setMaxLayer(streamId: string, layer: number | null): Promise<void>;
  /** Of the streams that have several layers, by id. */
  readonly quality: ReadonlyMap<string, StreamQuality>;
  unsubscribe(): Promise<void>;
  /** Sends an application message to everybody, or to one user; resolves to its id. */
  send(type: string, data: unknown, to?: string): Promise<string>;
  rejoin(): Promise<void>;
  leave(): Promise<void>;
  stats(): Promise<{ publish: ConnectionStats; subscribe: ConnectionStats }>;
  /** The session as the API has it. */
  info(): Promise<{ id: string; epoch: number; pipeline: { id: string; server: string } | null; [more: string]: unknown }>;
}

/** A call that the API refused. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  /** Milliseconds. */
  readonly retryAfter?: number;
}
