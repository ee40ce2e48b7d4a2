import assert from 'node:assert/strict';
import { test } from 'node:test';

import { join } from '../orkestro.js';
import { clock } from '../src/interruptions.js';
import { FakeMediaStream, FakePeerConnection, FakeTrack } from './fake_media.js';
import { FakeServer } from './fake_server.js';

globalThis.MediaStream = FakeMediaStream;

const ann = { id: 'ann', streams: [{ id: 'a1', user: 'ann', kinds: ['audio', 'video'], state: 'active' }] };
const types = ['relocating', 'relocated', 'reconnect', 'reconnected', 'interrupted', 'recovered'];

/** Waits until condition is truthy and returns it. */
async function eventually(condition) {
  for (let i = 0; i < 1_000; i++) {
    const value = condition();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return assert.fail(`did not come true: ${condition}`);
}

/** A received track whose packets the test lets come. */
class Received extends FakeTrack {
  last; // when its last packet came
  muted = true;
  constructor(kind, pc) {
    super(kind);
    const receiver = { getSynchronizationSources: () => (this.last ? [{ timestamp: this.last }] : []) };
    const stop = () => {
      this.readyState = 'ended';
    };
    pc.ontrack({ track: this, streams: [{ id: 'a1' }], transceiver: { receiver, stop } });
  }
  arrives(at = clock()) {
    this.last = at;
    this.muted = false;
    this.onunmute();
    return this;
  }
}

/** A session that publishes and receives Ann, both connected in epoch 1, and what it told of its media since. */
async function inCall(t) {
  const fake = await FakeServer.start(t);
  fake.routes.set('PUT /publish', ({ seq, epoch, sdp }) => ({ status: 200, body: { seq, epoch, sdp: `answer to ${sdp}` } }));
  fake.joined({ users: [ann] });
  const made = (FakePeerConnection.all = []);
  const session = await join({
    url: fake.url, session: 's', user: 'me', token: 't', retry: { min: 2, max: 20 },
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(), RTCPeerConnection: FakePeerConnection,
  });
  fake.sessions.push(session);
  const told = [];
  for (const type of types) session.on(type, ({ streamId, epoch }) => told.push(`${type} ${streamId ?? epoch}`));
  const camera = new FakeMediaStream([new FakeTrack('audio'), new FakeTrack('video')]);
  await session.publish(camera);
  const subscribe = async (epoch) => {
    const before = made.length;
    fake.push('offer', { connection: 'subscribe', seq: 1, epoch, sdp: `o=- ${epoch} 1` });
    return eventually(() => made.length > before && made.slice(before).find((pc) => pc.ontrack));
  };
  const publishes = (epoch) =>
    eventually(() => {
      const offer = fake.callsOf('PUT', '/publish').find(({ body }) => body.epoch === epoch)?.body;
      return made.find((pc) => offer?.sdp.startsWith(`offer pc${pc.number} `) && pc.remoteDescription);
    });
  const old = { publisher: made[0], subscriber: await subscribe(1) };
  old.audio = new Received('audio', old.subscriber).arrives();
  old.video = new Received('video', old.subscriber).arrives();
  for (const pc of [old.publisher, old.subscriber]) pc.become('connected');
  const reconnect = (epoch, reason = 'relocating') => fake.push('reconnect', { epoch, reason }, { epoch });
  const disconnected = (epoch, reason = 'relocating') => fake.push('disconnected', { epoch, reason });
  const settled = async () => {
    fake.push('message', { type: 'end' });
    await new Promise((resolve) => session.on('message', resolve));
  };
  return { fake, session, told, camera, old, subscribe, publishes, reconnect, disconnected, settled };
}

const isOpen = (pc) => pc.signalingState !== 'closed';

test('a relocation keeps what is there until what follows it has arrived', async (t) => {
  const { session, told, camera, old, subscribe, publishes, reconnect, disconnected } = await inCall(t);
  const media = session.mediaStream('a1');
  const shown = [];
  session.on('track', ({ track }) => shown.push(track));
  reconnect(2);
  const publisher = await publishes(2);
  const subscriber = await subscribe(2);
  assert.deepEqual(FakePeerConnection.open, [old.publisher, old.subscriber, publisher, subscriber]);
  assert.deepEqual(publisher.getSenders().map(({ track }) => track), camera.getTracks());

  const audio = new Received('audio', subscriber);
  const video = new Received('video', subscriber);
  assert.deepEqual(media.getTracks(), [old.audio, old.video]);
  old.audio.last = clock();
  audio.arrives(old.audio.last + 30);
  assert.deepEqual(media.getTracks(), [old.video, audio]);
  assert.equal(old.audio.readyState, 'ended', 'both are heard');
  old.video.last = clock();
  video.muted = false;
  video.onunmute(); // a packet, and no picture of it yet
  assert.deepEqual(media.getTracks(), [old.video, audio]);
  video.last = old.video.last + 40;
  await eventually(() => media.getTracks().includes(video));
  assert.deepEqual(media.getTracks(), [audio, video]);
  assert.deepEqual(shown, [audio, video]);
  assert.ok(isOpen(old.publisher) && isOpen(old.subscriber), 'others may still receive by it');

  const done = new Promise((resolve) => session.on('relocated', resolve));
  disconnected(1);
  assert.deepEqual(await done, { epoch: 2, gap: 40 });
  assert.deepEqual(FakePeerConnection.open, [publisher, subscriber]);
  assert.deepEqual(told, ['relocating 2', 'relocated 2']);
});

test('what has not arrived when the old server lets go is interrupted, and recovers', async (t) => {
  const { session, told, old, subscribe, publishes, reconnect, disconnected } = await inCall(t);
  reconnect(2);
  await publishes(2);
  const subscriber = await subscribe(2);
  new Received('audio', subscriber).arrives();
  const video = new Received('video', subscriber);
  disconnected(1);
  await eventually(() => told.includes('relocated 2'));
  assert.deepEqual(session.mediaStream('a1').getTracks().at(-1), video, 'it is to be seen as soon as it comes');
  assert.deepEqual(told, ['relocating 2', 'interrupted a1', 'relocated 2']);
  assert.ok(!isOpen(old.subscriber));
  video.arrives();
  assert.equal(told.at(-1), 'recovered a1');
});

test('a stream whose new track is not offered yet keeps the old one to its end', async (t) => {
  const { session, told, old, subscribe, publishes, reconnect, disconnected } = await inCall(t);
  reconnect(2);
  await publishes(2);
  const subscriber = await subscribe(2);
  disconnected(1);
  await eventually(() => told.includes('relocated 2'));
  for (const track of [old.audio, old.video]) track.readyState = 'ended';
  const tracks = ['audio', 'video'].map((kind) => new Received(kind, subscriber).arrives());
  assert.deepEqual(session.mediaStream('a1').getTracks(), tracks);
  assert.ok(tracks.every(({ enabled }) => enabled));
  assert.deepEqual(told, ['relocating 2', 'interrupted a1', 'relocated 2', 'recovered a1']);
});

test('the old connections are closed when nobody says so', async (t) => {
  const real = globalThis.setTimeout;
  let late;
  t.mock.method(globalThis, 'setTimeout', (f, ms, ...args) => {
    if (ms === 20_000) late = f;
    return ms === 20_000 ? 0 : real(f, ms, ...args);
  });
  const { told, old, publishes, reconnect } = await inCall(t);
  reconnect(2);
  await publishes(2);
  late();
  assert.ok(!isOpen(old.publisher) && !isOpen(old.subscriber));
  assert.equal(told.at(-1), 'relocated 2');
});

test('an old connection that breaks in mid-move is closed, and what it brought is interrupted', async (t) => {
  const { told, old, subscribe, publishes, reconnect, disconnected } = await inCall(t);
  reconnect(2);
  await publishes(2);
  const subscriber = await subscribe(2);
  old.subscriber.become('disconnected');
  assert.ok(!isOpen(old.subscriber) && isOpen(old.publisher));
  assert.deepEqual(told, ['relocating 2', 'interrupted a1']);
  for (const track of [old.audio, old.video]) track.readyState = 'ended';
  for (const kind of ['audio', 'video']) new Received(kind, subscriber).arrives();
  disconnected(1);
  await eventually(() => told.includes('relocated 2'));
  assert.deepEqual(told, ['relocating 2', 'interrupted a1', 'recovered a1', 'relocated 2']);
});

test('when the new server dies, too, the newest epoch wins', async (t) => {
  const { told, old, subscribe, publishes, reconnect, disconnected } = await inCall(t);
  reconnect(2);
  const second = await publishes(2);
  await subscribe(2);
  disconnected(2, 'server-down');
  reconnect(3, 'server-down');
  const third = await publishes(3);
  assert.deepEqual(FakePeerConnection.open, [third]);
  assert.ok(!isOpen(second) && !isOpen(old.publisher));
  const subscriber = await subscribe(3);
  for (const track of [old.audio, old.video]) track.readyState = 'ended';
  for (const kind of ['audio', 'video']) new Received(kind, subscriber).arrives();
  assert.deepEqual(told, ['relocating 2', 'interrupted a1', 'reconnect 3', 'reconnected 3', 'recovered a1']);
});

test('a second relocation keeps the connections of the first, once they are connected', async (t) => {
  const { told, old, subscribe, publishes, reconnect, disconnected, settled } = await inCall(t);
  reconnect(2);
  const second = [await publishes(2), await subscribe(2)];
  for (const pc of second) pc.become('connected');
  reconnect(3);
  const third = [await publishes(3), await subscribe(3)];
  assert.deepEqual(FakePeerConnection.open, [...second, ...third]);
  assert.ok(!isOpen(old.publisher) && !isOpen(old.subscriber));
  assert.deepEqual(told, ['relocating 2', 'interrupted a1', 'relocating 3']);

  disconnected(1); // of the first move, once more
  await settled();
  assert.deepEqual(FakePeerConnection.open, [...second, ...third]);
  disconnected(2);
  await eventually(() => told.includes('relocated 3'));
  assert.deepEqual(FakePeerConnection.open, third);
});

test('an application may leave, or cease to receive, when it is told of a track that follows', async (t) => {
  for (const end of ['unsubscribe', 'leave']) {
    const { session, told, old, subscribe, publishes, reconnect, disconnected } = await inCall(t);
    reconnect(2);
    await publishes(2);
    const subscriber = await subscribe(2);
    for (const kind of ['audio', 'video']) new Received(kind, subscriber);
    const warnings = [];
    session.on('warning', ({ what, error }) => warnings.push(`${what}: ${error}`));
    const ended = new Promise((resolve) => session.on('track', () => resolve(session[end]())));
    disconnected(1);
    await ended;
    await eventually(() => !isOpen(old.publisher) && !isOpen(old.subscriber));
    assert.deepEqual(warnings, []);
    assert.equal(told.includes('relocated 2'), end === 'unsubscribe');
  }
});

test('a session whose server is gone, or that another reason moves, begins anew as ever', async (t) => {
  for (const [lost, reason] of [[true, 'relocating'], [false, 'server-down']]) {
    const { told, old, publishes, reconnect, disconnected } = await inCall(t);
    if (lost) disconnected(1, 'server-down');
    reconnect(2, reason);
    const publisher = await publishes(2);
    assert.deepEqual(FakePeerConnection.open, [publisher]);
    assert.ok(!isOpen(old.subscriber));
    assert.deepEqual(told, ['interrupted a1', 'reconnect 2']);
  }
});

test('an epoch that a refused call tells of is a relocation, as long as nothing is known to be lost', async (t) => {
  const { fake, session, told, camera, old, publishes } = await inCall(t);
  fake.faults.push({ match: /PUT .publish/, status: 409, code: 'stale_epoch' });
  fake.routes.set('GET /', () => ({ status: 200, body: { id: 's', epoch: 2 } }));
  await session.publish(camera);
  await publishes(2);
  assert.ok(isOpen(old.publisher) && isOpen(old.subscriber));
  assert.deepEqual(told, ['relocating 2']);
});

test('what one sends follows the application in mid-move, by both connections', async (t) => {
  const { session, camera, old, publishes, reconnect } = await inCall(t);
  const [audio, video] = camera.getTracks();
  reconnect(2);
  const publisher = await publishes(2);
  const other = new FakeTrack('video');
  await session.replaceTrack(video, other);
  const sent = (pc) => pc.getSenders().map(({ track }) => track);
  assert.deepEqual([sent(old.publisher), sent(publisher)], [[audio, other], [audio, other]]);
  await session.mute('audio');
  assert.equal(audio.enabled, false);
  camera.removeTrack(other);
  await session.publish(camera);
  assert.deepEqual([sent(old.publisher), sent(publisher)], [[audio, null], [audio, null]]);
  await session.unpublish();
  assert.ok(!isOpen(old.publisher) && !isOpen(publisher));
});

test('what the application turned off stays off in the track that follows', async (t) => {
  const { old, subscribe, publishes, reconnect } = await inCall(t);
  old.audio.enabled = false;
  reconnect(2);
  await publishes(2);
  const audio = new Received('audio', await subscribe(2)).arrives();
  assert.equal(audio.enabled, false);
});

test('a stream that is removed in mid-move takes both of its tracks along', async (t) => {
  const { fake, session, told, subscribe, publishes, reconnect, disconnected } = await inCall(t);
  reconnect(2);
  await publishes(2);
  new Received('audio', await subscribe(2));
  fake.push('stream-removed', { stream: ann.streams[0] });
  disconnected(1);
  await eventually(() => told.includes('relocated 2'));
  assert.equal(session.mediaStream('a1'), undefined);
  assert.deepEqual(told, ['relocating 2', 'relocated 2']);
});

test('leaving and ceasing to receive end the old connections, too', async (t) => {
  const { session, told, old, publishes, reconnect } = await inCall(t);
  reconnect(2);
  await publishes(2);
  await session.unsubscribe();
  assert.ok(!isOpen(old.subscriber));
  await session.leave();
  assert.deepEqual(FakePeerConnection.open, []);
  assert.deepEqual(told, ['relocating 2']);
});
