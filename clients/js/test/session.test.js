import assert from 'node:assert/strict';
import { test } from 'node:test';

import { join } from '../orkestro.js';
import { FakeMediaStream, FakePeerConnection, FakeTrack } from './fake_media.js';
import { FakeServer } from './fake_server.js';

globalThis.MediaStream = FakeMediaStream;

const retry = { min: 2, max: 20 };

function options(fake, more = {}) {
  FakePeerConnection.all = [];
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const base = { url: fake.url, session: 's', user: 'me', token: 't1', expiresAt, retry };
  return { ...base, RTCPeerConnection: FakePeerConnection, ...more };
}

/** A joined session against a fake server whose publish answers at once. */
async function joined(t, { users, ...more } = {}) {
  const fake = await FakeServer.start(t);
  fake.routes.set('PUT /publish', ({ seq, epoch, sdp }) => ({
    status: 200,
    body: { connection: 'publish', seq, epoch, sdp: `answer to ${sdp}` },
  }));
  fake.joined({ users });
  const session = await join(options(fake, more));
  fake.sessions.push(session);
  return { fake, session };
}

/** Waits until condition is truthy and returns it. */
async function eventually(condition, what = condition.toString()) {
  for (let i = 0; i < 1_000; i++) {
    const value = condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`did not come true: ${what}`);
}

const next = (session, type) => new Promise((resolve) => session.on(type, resolve));
const stream = (...kinds) => new FakeMediaStream(kinds.map((kind) => new FakeTrack(kind)));
const ann = { id: 'ann', name: 'Ann', streams: [{ id: 'a1', user: 'ann', kinds: ['video'], state: 'active' }] };

test('join knows who is there', async (t) => {
  const { session } = await joined(t, { users: [ann] });
  assert.deepEqual([...session.users.keys()], ['me', 'ann']);
  assert.equal(session.users.get('ann').streams[0].id, 'a1');
  assert.equal(session.epoch, 1);
});

test('join fails with the reason when the user is gone', async (t) => {
  const fake = await FakeServer.start(t);
  fake.faults.push({ match: /GET .messages/, status: 404, code: 'not_found' });
  await assert.rejects(join(options(fake)), { code: 'not_found' });
});

test('messages before joined are of an earlier join', async (t) => {
  const fake = await FakeServer.start(t);
  fake.push('user-joined', { user: { id: 'ghost', streams: [] } });
  fake.joined();
  const session = await join(options(fake));
  fake.sessions.push(session);
  assert.deepEqual([...session.users.keys()], ['me']);
});

test('whoever awaited join hears of what came right after joined', async (t) => {
  const fake = await FakeServer.start(t);
  fake.joined();
  fake.push('message', { type: 'chat', data: 'first' });
  const session = await join(options(fake));
  fake.sessions.push(session);
  assert.equal((await next(session, 'message')).data, 'first');
});

test('a batch is acknowledged after it was taken, and a redelivery taken once', async (t) => {
  const { fake, session } = await joined(t);
  const got = [];
  session.on('message', ({ data }) => got.push(data));
  const id = fake.push('message', { type: 'chat', data: 1 });
  fake.push('message', { type: 'chat', data: 1 }, { id });
  const last = fake.push('message', { type: 'chat', data: 2 });
  await eventually(() => fake.acks.includes(last), 'acknowledged');
  assert.deepEqual(got, [1, 2]);
});

test('polls go on through 503, 429 and an unknown cursor', async (t) => {
  const { fake, session } = await joined(t);
  const states = [];
  session.on('signalling', ({ state }) => states.push(state));
  fake.faults.push(
    { match: /GET .messages/, status: 503, code: 'unavailable', headers: { 'Retry-After': '0' }, times: 2 },
    { match: /GET .messages/, status: 429, code: 'rate_limited' },
    { match: /GET .messages/, status: 422, code: 'invalid' },
  );
  const message = next(session, 'message');
  fake.push('message', { type: 'chat', data: 'still here' }); // ends the poll that waits
  assert.equal((await message).data, 'still here');
  await eventually(() => states.join() === 'lost,ok');
});

test('a second 409 on polls means that another page has taken over', async (t) => {
  const { fake, session } = await joined(t);
  const closed = next(session, 'closed');
  fake.faults.push({ match: /GET .messages/, status: 409, code: 'conflict', times: 2 });
  fake.push('message', { type: 'chat', data: 'x' });
  assert.equal((await closed).reason, 'superseded');
});

test('the roster follows joins, streams and leaves, and repeats change nothing', async (t) => {
  const { fake, session } = await joined(t);
  const events = [];
  for (const type of ['user-joined', 'stream-added', 'stream-updated', 'stream-removed', 'user-left']) {
    session.on(type, () => events.push(type));
  }
  const added = { stream: ann.streams[0] };
  fake.push('user-joined', { user: { ...ann, streams: [] } });
  fake.push('stream-added', added);
  fake.push('stream-added', added);
  fake.push('stream-updated', { stream: { ...added.stream, state: 'paused' } });
  fake.push('user-left', { user: ann, reason: 'left' });
  fake.push('user-left', { user: ann, reason: 'left' });
  fake.push('message', { type: 'end', data: null });
  await next(session, 'message');
  assert.deepEqual(events, ['user-joined', 'stream-added', 'stream-updated', 'stream-removed', 'user-left']);
});

test('a stream may be told of before its user, and an old user-joined takes no stream away', async (t) => {
  const { fake, session } = await joined(t);
  fake.push('stream-added', { stream: ann.streams[0] });
  fake.push('user-joined', { user: { ...ann, streams: [] } });
  fake.push('user-joined', { user: { ...ann, streams: [] } });
  fake.push('message', { type: 'end', data: null });
  await next(session, 'message');
  assert.deepEqual(session.users.get('ann').streams, ann.streams);
});

test('an update of a stream that was removed does not bring it back', async (t) => {
  const { fake, session } = await joined(t, { users: [ann] });
  const paused = { stream: { ...ann.streams[0], state: 'paused' } };
  fake.push('stream-updated', paused);
  fake.push('stream-removed', { stream: ann.streams[0] });
  fake.push('stream-updated', paused);
  fake.push('message', { type: 'end', data: null });
  await next(session, 'message');
  assert.deepEqual(session.users.get('ann').streams, []);
});

test('sync replaces what was known and tells the differences', async (t) => {
  const { fake, session } = await joined(t, { users: [ann] });
  const left = next(session, 'user-left');
  const came = next(session, 'user-joined');
  const me = { id: 'me', streams: [] };
  fake.push('sync', { users: [me, { id: 'bob', streams: [] }], iceServers: [], epoch: 1, connections: [] });
  assert.equal((await left).user.id, 'ann');
  assert.equal((await came).user.id, 'bob');
});

test('publish offers once for changes made together, counting seq', async (t) => {
  const { fake, session } = await joined(t);
  const camera = stream('audio', 'video');
  await session.publish(camera);
  camera.addTrack(new FakeTrack('video'));
  await session.publish(camera);
  const offers = fake.callsOf('PUT', '/publish').map(({ body }) => [body.seq, body.epoch, body.sdp]);
  assert.deepEqual(offers, [[1, 1, 'offer pc1 n1'], [2, 1, 'offer pc1 n2']]);
  assert.equal(FakePeerConnection.all[0].remoteDescription.sdp, 'answer to offer pc1 n2');
  assert.equal(FakePeerConnection.all[0].getTransceivers().length, 3);
});

test('a removed track leaves its place in the SDP to the next one', async (t) => {
  const { session } = await joined(t);
  const camera = stream('audio', 'video');
  await session.publish(camera);
  camera.removeTrack(camera.getTracks()[1]);
  await session.publish(camera);
  camera.addTrack(new FakeTrack('video'));
  await session.publish(camera);
  const transceivers = FakePeerConnection.all[0].getTransceivers();
  assert.deepEqual(transceivers.map((tr) => tr.direction), ['sendonly', 'sendonly']);
});

test('an answer may come as a message after a 202', async (t) => {
  const { fake, session } = await joined(t);
  fake.routes.set('PUT /publish', ({ seq }) => {
    fake.push('answer', { connection: 'publish', seq: seq + 7, epoch: 1, sdp: 'not this' });
    fake.push('answer', { connection: 'publish', seq, epoch: 1, sdp: 'late answer' });
    return { status: 202, body: { connection: 'publish', seq } };
  });
  await session.publish(stream('video'));
  assert.equal(FakePeerConnection.all[0].remoteDescription.sdp, 'late answer');
});

test('a refused offer is not counted', async (t) => {
  const { fake, session } = await joined(t);
  fake.faults.push({ match: /PUT .publish/, status: 422, code: 'invalid' });
  await assert.rejects(session.publish(stream('video')), { code: 'invalid' });
  await session.publish(stream('video'));
  assert.deepEqual(fake.callsOf('PUT', '/publish').map(({ body }) => body.seq), [1]);
});

test('reconnect publishes again under the new epoch, and once', async (t) => {
  const { fake, session } = await joined(t);
  await session.publish(stream('audio', 'video'));
  const reconnected = next(session, 'reconnected');
  fake.push('disconnected', { epoch: 1, reason: 'server-down' });
  fake.push('reconnect', { epoch: 2, reason: 'server-down' });
  fake.push('reconnect', { epoch: 2, reason: 'server-down' });
  await eventually(() => fake.callsOf('PUT', '/publish').length === 2);
  assert.deepEqual(fake.callsOf('PUT', '/publish').map(({ body }) => [body.seq, body.epoch]), [[1, 1], [1, 2]]);
  await eventually(() => FakePeerConnection.open[0]?.remoteDescription);
  assert.equal(FakePeerConnection.open.length, 1);
  FakePeerConnection.open[0].become('connected');
  assert.ok((await reconnected).gap >= 0);
});

test('a stale epoch is looked up and published again', async (t) => {
  const { fake, session } = await joined(t);
  fake.routes.set('GET /', () => ({ status: 200, body: { id: 's', epoch: 3 } }));
  fake.faults.push({ match: /PUT .publish/, status: 409, code: 'stale_epoch' });
  await session.publish(stream('video'));
  assert.deepEqual(fake.callsOf('PUT', '/publish').map(({ body }) => [body.seq, body.epoch]), [[1, 3]]);
  assert.equal(session.epoch, 3);
});

test('an epoch that ends while an offer is under way does not fail publish', async (t) => {
  const { fake, session } = await joined(t);
  const answer = fake.routes.get('PUT /publish');
  fake.routes.set('PUT /publish', (body) => {
    if (body.epoch > 1) return answer(body);
    fake.push('reconnect', { epoch: 2, reason: 'server-down' });
    return { status: 202, body: {} };
  });
  await session.publish(stream('video'));
  assert.equal(FakePeerConnection.open[0].remoteDescription.sdp, 'answer to offer pc2 n1');
});

test('offers of the server are answered in order, repeated ones not', async (t) => {
  const { fake } = await joined(t);
  const offer = (seq, sdp) => fake.push('offer', { connection: 'subscribe', seq, epoch: 1, sdp });
  offer(1, 'o=- 5 1 IN IP4 0.0.0.0\r\n');
  offer(1, 'o=- 5 1 IN IP4 0.0.0.0\r\n');
  offer(2, 'o=- 5 2 IN IP4 0.0.0.0\r\n');
  const answers = await eventually(() => fake.callsOf('PUT', '/subscribe').length === 2 && fake.callsOf('PUT', '/subscribe'));
  assert.deepEqual(answers.map(({ body }) => body.seq), [1, 2]);
  assert.equal(FakePeerConnection.all.length, 1);
  offer(3, 'o=- 6 1 IN IP4 0.0.0.0\r\n'); // another peer connection of the server
  await eventually(() => fake.callsOf('PUT', '/subscribe').length === 3);
  assert.equal(FakePeerConnection.all.length, 2);
  assert.equal(FakePeerConnection.open.length, 1);
});

test('an offer that the browser cannot take brings a request for a fresh one', async (t) => {
  const { fake } = await joined(t);
  fake.push('offer', { connection: 'subscribe', seq: 1, epoch: 1, sdp: 'bad' });
  const [request] = await eventually(() => fake.callsOf('POST', '/subscribe/offer').length && fake.callsOf('POST', '/subscribe/offer'));
  assert.deepEqual(request.body, { epoch: 1, fresh: true });
});

test('candidates of the server wait for its description', async (t) => {
  const { fake } = await joined(t);
  const candidate = { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0 };
  fake.push('candidate', { connection: 'subscribe', epoch: 1, candidate });
  fake.push('offer', { connection: 'subscribe', seq: 1, epoch: 1, sdp: 'o=- 5 1' });
  fake.push('candidate', { connection: 'subscribe', epoch: 1, end: true });
  await eventually(() => FakePeerConnection.all[0]?.candidates.length === 1);
});

test('candidates of the client are sent in batches, the end marked', async (t) => {
  const { fake, session } = await joined(t);
  await session.publish(stream('video'));
  const [pc] = FakePeerConnection.all;
  const found = (n) => ({
    candidate: `candidate:${n}`,
    toJSON: () => ({ candidate: `candidate:${n}`, sdpMid: '0', sdpMLineIndex: 0, usernameFragment: null }),
  });
  for (const candidate of [found(1), found(2), null]) pc.onicecandidate({ candidate });
  const [call] = await eventually(() => fake.callsOf('POST', '/publish/candidates').length && fake.callsOf('POST', '/publish/candidates'));
  const list = [1, 2].map((n) => ({ candidate: `candidate:${n}`, sdpMid: '0', sdpMLineIndex: 0 }));
  assert.deepEqual(call.body, { epoch: 1, candidates: list, end: true });
});

test('connection-failed brings an ICE restart', async (t) => {
  const { fake, session } = await joined(t);
  await session.publish(stream('video'));
  fake.push('connection-failed', { connection: 'publish', epoch: 1, retry: true });
  await eventually(() => fake.callsOf('PUT', '/publish').length === 2);
  assert.deepEqual(FakePeerConnection.all[0].offers[1], { iceRestart: true });
});

test('rejoin begins anew with the new token and publishes again', async (t) => {
  const { fake, session } = await joined(t);
  await session.publish(stream('video'));
  fake.routes.set('POST /rejoin', () => {
    fake.push('answer', { connection: 'publish', seq: 1, epoch: 1, sdp: 'of the join before' });
    fake.joined();
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
    return { status: 200, body: { user: { id: 'me' }, token: 't2', expiresAt, iceServers: [], epoch: 1 } };
  });
  await session.rejoin();
  await eventually(() => fake.callsOf('PUT', '/publish').length === 2);
  const again = fake.callsOf('PUT', '/publish')[1];
  assert.equal(again.body.seq, 1);
  assert.equal(again.headers.authorization, 'Bearer t2');
  assert.equal(FakePeerConnection.open.length, 1);
});

test('mute disables the tracks and pauses the streams that have the kind', async (t) => {
  const { fake, session } = await joined(t);
  const camera = stream('audio', 'video');
  await session.publish(camera);
  const own = { id: 'own', user: 'me', kinds: ['audio', 'video'], state: 'active' };
  fake.push('stream-added', { stream: own });
  await next(session, 'stream-added');
  await session.mute('audio');
  assert.deepEqual(camera.getTracks().map((track) => track.enabled), [false, true]);
  assert.deepEqual(fake.callsOf('PATCH', '/streams/own')[0].body, { paused: true, kinds: ['audio'] });
  await session.mute('audio', false);
  assert.deepEqual(fake.callsOf('PATCH', '/streams/own')[1].body, { paused: false, kinds: ['audio'] });
});

test('unpublish closes the connection and seq goes on after it', async (t) => {
  const { fake, session } = await joined(t);
  await session.publish(stream('video'));
  await session.unpublish();
  assert.equal(FakePeerConnection.open.length, 0);
  assert.equal(fake.callsOf('DELETE', '/publish').length, 1);
  await session.publish(stream('video'));
  assert.equal(fake.callsOf('PUT', '/publish')[1].body.seq, 2);
});

test('unsubscribe ignores offers until subscribe asks for one', async (t) => {
  const { fake, session } = await joined(t);
  await session.unsubscribe();
  fake.push('offer', { connection: 'subscribe', seq: 1, epoch: 1, sdp: 'o=- 5 1' });
  fake.push('message', { type: 'end', data: null });
  await next(session, 'message');
  assert.equal(FakePeerConnection.all.length, 0);
  await session.subscribe({ mode: 'list', streams: [{ id: 'a1' }] });
  assert.deepEqual(fake.callsOf('PUT', '/subscriptions')[0].body, { mode: 'list', streams: [{ id: 'a1' }] });
  assert.deepEqual(fake.callsOf('POST', '/subscribe/offer')[0].body, { epoch: 1 });
});

test('a message that is sent again after 503 has the same Idempotency-Key', async (t) => {
  const { fake, session } = await joined(t);
  const keys = [];
  fake.routes.set('POST /messages', (body, { headers }) => {
    keys.push(headers['idempotency-key']);
    return keys.length === 1 ? { status: 503, body: { code: 'unavailable' } } : { status: 202, body: { id: 'm' } };
  });
  assert.equal(await session.send('chat', { text: 'hi' }, 'ann'), 'm');
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.deepEqual(fake.callsOf('POST', '/messages')[0].body, { type: 'chat', data: { text: 'hi' }, to: 'ann' });
});

test('a 401 brings another token from the application', async (t) => {
  const { fake, session } = await joined(t, { renewToken: async () => 't9' });
  fake.faults.push({ match: /POST .messages/, status: 401, code: 'unauthorized' });
  await session.send('chat', 'hi');
  assert.equal(fake.callsOf('POST', '/messages')[0].headers.authorization, 'Bearer t9');
});

test('the token is renewed before it expires', async (t) => {
  const real = globalThis.setTimeout;
  let renew; // what is to happen when half of the hour is over
  t.mock.method(globalThis, 'setTimeout', (f, ms, ...args) => {
    if (ms < 1_000_000) return real(f, ms, ...args);
    assert.ok(ms > 1_700_000 && ms <= 1_800_000, `renewal after ${ms} ms`);
    renew = f;
    return 0;
  });
  const { fake } = await joined(t);
  const renewed = new Promise((resolve) => {
    fake.routes.set('POST /token', () => {
      resolve();
      return { status: 200, body: { token: 't2', expiresAt: new Date(Date.now() + 3_600_000).toISOString() } };
    });
  });
  renew();
  await renewed;
});

test('leave ends polls and connections', async (t) => {
  const { fake, session } = await joined(t);
  await session.publish(stream('video'));
  const closed = next(session, 'closed');
  await session.leave();
  assert.equal((await closed).reason, 'left');
  assert.equal(fake.callsOf('DELETE', '/').length, 1);
  assert.equal(FakePeerConnection.open.length, 0);
  assert.throws(() => session.publish(stream('video')), { name: 'AbortError' });
});

test('session-closed ends the session', async (t) => {
  const { fake, session } = await joined(t);
  const closed = next(session, 'closed');
  fake.push('session-closed', { reason: 'deleted' });
  assert.equal((await closed).reason, 'deleted');
});

test('received tracks of a stream share one MediaStream over epochs', async (t) => {
  const { fake, session } = await joined(t, { users: [ann] });
  const offer = (epoch) => fake.push('offer', { connection: 'subscribe', seq: 1, epoch, sdp: `o=- ${epoch} 1` });
  offer(1);
  const first = await eventually(() => FakePeerConnection.open[0]?.ontrack && FakePeerConnection.open[0]);
  const old = new FakeTrack('video');
  first.ontrack({ track: old, streams: [{ id: 'a1' }] });
  const media = session.mediaStream('a1');
  assert.deepEqual(media.getTracks(), [old]);
  fake.push('disconnected', { epoch: 1, reason: 'server-down' });
  offer(2);
  await eventually(() => session.epoch === 2 && FakePeerConnection.open[0]?.ontrack);
  old.readyState = 'ended';
  const fresh = new FakeTrack('video');
  const reconnected = next(session, 'reconnected');
  FakePeerConnection.open[0].ontrack({ track: fresh, streams: [{ id: 'a1' }] });
  assert.equal(session.mediaStream('a1'), media);
  assert.deepEqual(media.getTracks(), [fresh]);
  assert.equal((await reconnected).epoch, 2);
});

test('the time to first media starts when there is something to receive', async (t) => {
  const { fake, session } = await joined(t);
  fake.push('offer', { connection: 'subscribe', seq: 1, epoch: 1, sdp: 'o=- 1 1' });
  const pc = await eventually(() => FakePeerConnection.open[0]?.ontrack && FakePeerConnection.open[0]);
  const aloneTime = 300; // ms
  await new Promise((resolve) => setTimeout(resolve, aloneTime));
  fake.push('user-joined', { user: { ...ann, streams: [] } });
  fake.push('stream-added', { stream: ann.streams[0] });
  await next(session, 'stream-added');
  pc.ontrack({ track: new FakeTrack('video'), streams: [{ id: 'a1' }] });
  assert.ok(session.timings.firstMedia < aloneTime, `${session.timings.firstMedia} ms`);
});

test('join says what the backend did not pass on', async () => {
  await assert.rejects(join({ session: 's', status: 503, code: 'unavailable' }), /user is missing/);
});

test('wishes for layers that are made together are one call, and are made again after a rejoin', async (t) => {
  const { fake, session } = await joined(t, { users: [ann] });
  await Promise.all([session.setMaxLayer('a1', 0), session.setMaxLayer('a2', 1)]);
  const streams = [{ id: 'a1', maxLayer: 0 }, { id: 'a2', maxLayer: 1 }];
  assert.deepEqual(fake.callsOf('PUT', '/subscriptions').map(({ body }) => body), [{ mode: 'all', streams }]);
  fake.joined({ users: [ann] }); // by the backend, in our place
  await eventually(() => fake.callsOf('PUT', '/subscriptions').length === 2);
  assert.deepEqual(fake.callsOf('PUT', '/subscriptions')[1].body, { mode: 'all', streams });
});

test('a wish for a layer goes with its stream, here and at the server', async (t) => {
  const { fake, session } = await joined(t, { users: [ann] });
  await session.setMaxLayer('a1', 0);
  fake.push('stream-removed', { stream: ann.streams[0] });
  await eventually(() => fake.callsOf('PUT', '/subscriptions').length === 2);
  assert.deepEqual(fake.callsOf('PUT', '/subscriptions')[1].body, { mode: 'all' });
});

test('a wish for a layer that did not get through can be made again', async (t) => {
  const { fake, session } = await joined(t, { users: [ann] });
  fake.faults.push({ match: /PUT \/subscriptions/, status: 422, code: 'invalid' });
  await assert.rejects(session.setMaxLayer('a1', 0), { status: 422 });
  await session.setMaxLayer('a1', 0);
  assert.deepEqual(fake.callsOf('PUT', '/subscriptions').map(({ body }) => body.streams), [[{ id: 'a1', maxLayer: 0 }]]);
});

test('of quality and speakers only the newest of the epoch counts', async (t) => {
  const { fake, session } = await joined(t, { users: [ann] });
  const got = [];
  session.on('speakers', ({ speakers }) => got.push(speakers[0]?.user ?? 'nobody'));
  session.on('quality', ({ streams }) => got.push(streams[0].layer));
  const quality = (epoch, seq, layer) =>
    fake.push('quality', { epoch, seq, bandwidth: 0, streams: [{ id: 'a1', layer, layers: 3, limit: 'bandwidth' }] });
  const speakers = (epoch, seq, ...users) =>
    fake.push('speakers', { epoch, seq, speakers: users.map((user) => ({ user, stream: 's' })) });
  quality(1, 10, 2);
  speakers(1, 10, 'ann');
  quality(1, 9, 0); // overtaken
  speakers(1, 10, 'bob');
  quality(7, 11, 0); // of an epoch that is not ours
  speakers(1, 11);
  quality(1, 12, 1);
  await eventually(() => got.length >= 4);
  assert.deepEqual(got, [2, 'ann', 'nobody', 1]);
  assert.deepEqual([...session.quality], [['a1', { layer: 1, layers: 3, limit: 'bandwidth' }]]);
});
