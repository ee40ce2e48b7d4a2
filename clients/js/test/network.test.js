import assert from 'node:assert/strict';
import { test } from 'node:test';

import { join } from '../orkestro.js';
import { FakeMediaStream, FakePeerConnection, FakeTrack } from './fake_media.js';
import { FakeServer } from './fake_server.js';

globalThis.MediaStream = FakeMediaStream;

/** What a browser has: events of the window, and navigator.connection. */
function fakeBrowser(t) {
  const page = new EventTarget();
  const connection = new EventTarget();
  connection.type = 'wifi';
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', { value: { connection }, configurable: true });
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else delete globalThis.navigator;
  });
  return { page, connection };
}

/** A session that publishes, and receives on a connection. */
async function call(t, options = {}) {
  const fake = await FakeServer.start(t);
  FakePeerConnection.all = [];
  fake.routes.set('PUT /publish', ({ sdp }) => ({ status: 200, body: { sdp: `answer to ${sdp}` } }));
  fake.joined();
  const session = await join({
    url: fake.url, session: 's', user: 'me', token: 't1', retry: { min: 2, max: 20 },
    RTCPeerConnection: FakePeerConnection, ...options,
  });
  fake.sessions.push(session);
  await session.publish(new FakeMediaStream([new FakeTrack('video')]));
  fake.push('offer', { connection: 'subscribe', seq: 1, epoch: 1, sdp: 'o=- 1 1' });
  await eventually(() => fake.callsOf('PUT', '/subscribe').length === 1);
  for (const pc of FakePeerConnection.all) pc.become('connected');
  return { fake, session };
}

async function eventually(condition) {
  for (let i = 0; i < 1_000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`did not come true: ${condition}`);
}

const restarts = (fake) => ({
  publish: FakePeerConnection.all[0].offers.filter((o) => o.iceRestart).length,
  subscribe: fake.callsOf('POST', '/subscribe/offer').filter((c) => c.body.iceRestart).length,
});

test('a page that is left for another one leaves the session, though the browser keeps it', async (t) => {
  const { page } = fakeBrowser(t);
  const { fake, session } = await call(t, { leaveOnUnload: true });
  const closed = new Promise((resolve) => session.on('closed', resolve));
  page.dispatchEvent(Object.assign(new Event('pagehide'), { persisted: true }));
  await eventually(() => fake.callsOf('DELETE', '/').length === 1);
  assert.equal((await closed).reason, 'left');
  assert.equal(FakePeerConnection.open.length, 0);
});

test('a page that is closed stays in the session unless told otherwise', async (t) => {
  const { page } = fakeBrowser(t);
  const { fake, session } = await call(t);
  page.dispatchEvent(Object.assign(new Event('pagehide'), { persisted: false }));
  await session.send('chat', 'hello'); // a call that is made later has been answered
  assert.equal(fake.callsOf('DELETE', '/').length, 0);
  assert.equal(session.closed, false);
});

test('another network restarts ICE on both connections, and the poll', async (t) => {
  const { page, connection } = fakeBrowser(t);
  const { fake } = await call(t);
  await eventually(() => fake.messages.length === 0); // a poll hangs
  const { polls } = fake;
  connection.type = 'cellular';
  connection.dispatchEvent(new Event('change'));
  page.dispatchEvent(new Event('online')); // one change
  await eventually(() => fake.polls === polls + 1);
  await eventually(() => fake.callsOf('PUT', '/publish').length === 2 && fake.callsOf('POST', '/subscribe/offer').length === 1);
  assert.deepEqual(restarts(fake), { publish: 1, subscribe: 1 });
  assert.equal(FakePeerConnection.open.length, 2);
});

test('news of the same network changes nothing', async (t) => {
  const { connection } = fakeBrowser(t);
  const { fake, session } = await call(t);
  connection.dispatchEvent(new Event('change')); // another estimate of its speed
  await new Promise((resolve) => setTimeout(resolve, 400)); // longer than changes need to settle
  assert.deepEqual(restarts(fake), { publish: 0, subscribe: 0 });
  await session.leave();
  connection.type = 'cellular';
  connection.dispatchEvent(new Event('change')); // nobody listens any more
});

test('what cannot be repaired ends in a rejoin', async (t) => {
  const { fake } = await call(t);
  let now = performance.now();
  t.mock.method(performance, 'now', () => (now += 3_000)); // longer than one repair keeps others away
  for (let n = 1; n <= 5; n++) {
    fake.push('connection-failed', { connection: 'publish', epoch: 1, retry: true });
    await eventually(() => fake.callsOf('PUT', '/publish').length === n + 1);
  }
  assert.equal(restarts(fake).publish, 1);
  assert.equal(FakePeerConnection.all.length, 2 + 4); // one ICE restart, then fresh connections
  assert.equal(fake.callsOf('POST', '/rejoin').length, 0);
  fake.push('connection-failed', { connection: 'publish', epoch: 1, retry: true });
  await eventually(() => fake.callsOf('POST', '/rejoin').length > 0);
});

test('the same failure, seen here and at the server, is repaired once', async (t) => {
  const { fake } = await call(t);
  FakePeerConnection.all[0].become('failed');
  fake.push('connection-failed', { connection: 'publish', epoch: 1, retry: true });
  await eventually(() => fake.messages.length === 0);
  await eventually(() => fake.callsOf('PUT', '/publish').length === 2);
  assert.deepEqual(restarts(fake), { publish: 1, subscribe: 0 });
});

test('a connection that is only disconnected is left to heal', async (t) => {
  const { fake } = await call(t);
  for (const pc of FakePeerConnection.all) {
    pc.become('disconnected');
    pc.become('connected');
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(restarts(fake), { publish: 0, subscribe: 0 });
});

test('a user that failed too often ends without an error', async (t) => {
  const { fake, session } = await call(t);
  const errors = [];
  session.on('error', (error) => errors.push(error));
  const closed = new Promise((resolve) => session.on('closed', resolve));
  fake.faults.push({ match: /POST \/rejoin/, status: 404, code: 'not_found' });
  fake.push('connection-failed', { connection: 'subscribe', epoch: 1, retry: false });
  await eventually(() => fake.faults.length === 0);
  fake.push('user-left', { user: { id: 'me' }, reason: 'timeout' });
  assert.equal((await closed).reason, 'timeout');
  assert.deepEqual(errors, []);
});
