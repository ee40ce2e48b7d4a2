// What the page tells about the session: facts, users, log.

const maxLog = 50; // lines

const byTestID = (id) => document.querySelector(`[data-testid="${id}"]`);

/** Writes value, or a dash for none, into the fact of that name. */
export function fact(name, value) {
  byTestID(name).textContent = value ?? '–';
}

/** tone: good, warn, bad or none. */
export function status(text, tone = '') {
  const pill = byTestID('status');
  pill.textContent = text;
  pill.dataset.tone = tone;
}

/** Says above the form why the call is over; empty: nothing. */
export function ended(text) {
  const line = byTestID('ended');
  line.textContent = text;
  line.hidden = text === '';
}

export const milliseconds = (ms) => (ms === null ? null : ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

export const bitrate = (bps) => (bps < 1e6 ? `${Math.round(bps / 1e3)} kbit/s` : `${(bps / 1e6).toFixed(2)} Mbit/s`);

/** Adds a line to the log of events, newest first. */
export function log(type, text = '') {
  const list = document.getElementById('log');
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = `${new Date().toISOString().slice(11, 23)} `;
  line.append(time, `${type} ${text}`);
  list.prepend(line);
  while (list.children.length > maxLog) list.lastChild.remove();
}

/** Draws who is there, and to whom one can write. */
export function users(list, me) {
  document.getElementById('user-count').textContent = list.length;
  document.getElementById('users').replaceChildren(...list.map((user) => {
    const item = document.createElement('li');
    item.className = user.id === me ? 'me' : '';
    item.textContent = nameOf(user) + (user.id === me ? ' (you)' : '');
    return item;
  }));
  const to = document.getElementById('chat-to');
  const chosen = to.value;
  const others = list.filter((user) => user.id !== me);
  to.replaceChildren(new Option('All', ''), ...others.map((user) => new Option(nameOf(user), user.id)));
  to.value = others.some((user) => user.id === chosen) ? chosen : '';
}

export const nameOf = (user) => user?.name || user?.id || 'somebody';

/** Adds a message to the chat, and shows it unless one is reading older ones. */
export function message({ from, text, toMe }) {
  const list = document.getElementById('messages');
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const item = document.createElement('li');
  const who = document.createElement('b');
  who.textContent = from;
  item.append(who, ' ', text);
  if (toMe) item.append(' ', Object.assign(document.createElement('small'), { textContent: '(private)' }));
  list.append(item);
  if (atEnd) list.scrollTop = list.scrollHeight;
}
