// Who is in the session and what they publish, kept up to date from messages. Every method may be repeated: a message that
// says what is known already changes nothing. Messages about different things may come in any order.

const maxEarly = 256; // streams

/** emit(type, detail) is called for each change, under the names of the API's messages. */
export class Roster {
  users = new Map(); // id -> User with streams
  #early = new Map(); // id -> Stream that was added before its user joined

  constructor(emit) {
    this.emit = emit;
  }

  /** Takes the whole truth (`joined`, `sync`) and tells the differences. */
  replace(list) {
    const there = new Set(list.map((user) => user.id));
    for (const user of [...this.users.values()]) {
      if (!there.has(user.id)) this.left({ user, reason: 'left' });
    }
    for (const user of list) {
      if (!this.users.has(user.id)) this.joined({ user });
      else this.#replaceUser(user);
    }
  }

  /** The message may be older than what is known, so it takes no streams away. */
  joined({ user }) {
    const known = this.users.get(user.id);
    if (!known) {
      this.users.set(user.id, { ...user, streams: [] });
      this.emit('user-joined', { user });
    }
    for (const stream of user.streams ?? []) this.put({ stream });
    for (const stream of [...this.#early.values()]) if (stream.user === user.id) this.put({ stream });
  }

  left({ user, reason }) {
    const known = this.users.get(user.id);
    if (!known) return;
    for (const stream of [...known.streams]) this.removed({ stream });
    this.users.delete(user.id);
    this.emit('user-left', { user: known, reason });
  }

  /** What is not known (any more) stays so: a stream that was removed does not come back by this. */
  updated({ stream }) {
    const user = this.users.get(stream.user);
    if (user?.streams.some((s) => s.id === stream.id) || this.#early.has(stream.id)) this.put({ stream });
  }

  put({ stream }) {
    const user = this.users.get(stream.user);
    if (!user) return this.#keep(stream);
    this.#early.delete(stream.id);
    const i = user.streams.findIndex((s) => s.id === stream.id);
    if (i < 0) {
      user.streams.push(stream);
      this.emit('stream-added', { stream, user });
    } else if (JSON.stringify(user.streams[i]) !== JSON.stringify(stream)) {
      user.streams[i] = stream;
      this.emit('stream-updated', { stream, user });
    }
  }

  removed({ stream }) {
    this.#early.delete(stream.id);
    const user = this.users.get(stream.user);
    const i = user?.streams.findIndex((s) => s.id === stream.id) ?? -1;
    if (i < 0) return;
    user.streams.splice(i, 1);
    this.emit('stream-removed', { stream, user });
  }

  #keep(stream) {
    this.#early.set(stream.id, stream);
    if (this.#early.size > maxEarly) this.#early.delete(this.#early.keys().next().value);
  }

  #replaceUser(user) {
    const known = this.users.get(user.id);
    const there = new Set((user.streams ?? []).map((s) => s.id));
    for (const stream of [...known.streams]) if (!there.has(stream.id)) this.removed({ stream });
    for (const stream of user.streams ?? []) this.put({ stream });
    Object.assign(known, user, { streams: known.streams });
  }
}
