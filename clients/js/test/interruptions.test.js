import assert from 'node:assert/strict';
import { test } from 'node:test';

import { join } from '../orkestro.js';
import { Interruptions, clock } from '../src/interruptions.js';
import { FakeMediaStream, FakePeerConnection, FakeTrack } from './fake_media.js';
import { FakeServer } from './fake_server.js';

globalThis.MediaStream = FakeMediaStream;

/** Interruptions with what they told. */
function watched() {
  const told = [];
  const interruptions = new Interruptions({
    onInterrupted: (id) => told.push(`interrupted ${id}`),
    onRecovered: (id, ms) => told.push(`recovered ${id} ${ms === null ? 'for nothing' : Math.round(ms / 1_000)}`),
  });
  return { interruptions, told };
}

test('a stream is back when all of its kinds are, counted from its last packet', () => {
  const { interruptions, told } = watched();
  interruptions.begin('a', ['audio', 'video'], clock() - 5_000);
  interruptions.begin('a', ['video'], clock());
  interruptions.arrived('a', 'audio');
  interruptions.arrived('a', 'audio');
  interruptions.arrived('b', 'video');
  assert.deepEqual(told, ['interrupted a']);
  interruptions.arrived('a', 'video');
  interruptions.arrived('a', 'video');
  assert.deepEqual(told, ['interrupted a', 'recovered a 5']);
});

test('what is not sent is not missed', () => {
  const { interruptions, told } = watched();
  interruptions.begin('none', [], clock());
  interruptions.begin('a', ['audio', 'video'], clock() - 2_000);
  interruptions.expect('a', ['audio']);
  interruptions.arrived('a', 'audio');
  interruptions.begin('b', ['video'], clock());
  interruptions.expect('b', []);
  interruptions.begin('c', ['video'], clock());
  interruptions.forget('c');
  interruptions.arrived('c', 'video');
  assert.deepEqual(told, ['interrupted a', 'recovered a 2', 'interrupted b', 'recovered b for nothing', 'interrupted c']);
});

const ann = { id: 'ann', streams: [{ id: 'a1', user: 'ann', kinds: ['audio', 'video'], state: 'active' }] };

/** A session that receives Ann's video, with what it told of that, and ways to have a connection and a track. */
async function receiving(t) {
  const fake = await FakeServer.start(t);
  fake.joined({ users: [ann] });
  FakePeerConnection.all = [];
  const session = await join({
    url: fake.url, session: 's', user: 'me', token: 't', retry: { min: 2, max: 20 },
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(), RTCPeerConnection: FakePeerConnection,
  });
  fake.sessions.push(session);
  const told = [];
  session.on('interrupted', ({ streamId }) => told.push(`interrupted ${streamId}`));
  session.on('recovered', ({ streamId, ms }) => told.push(`recovered ${streamId} ${ms}`));
  const made = FakePeerConnection.all;
  const connection = async (epoch, seq = 1) => {
    const before = made.length;
    fake.push('offer', { connection: 'subscribe', seq, epoch, sdp: `o=- ${epoch}${seq} 1` });
    await eventually(() => made.length > before && made.at(-1).ontrack);
    return made.at(-1);
  };
  const video = (pc, { lastPacket, muted = false } = {}) => {
    const track = Object.assign(new FakeTrack('video'), { muted });
    const receiver = { getSynchronizationSources: () => (lastPacket ? [{ timestamp: lastPacket }] : []) };
    pc.ontrack({ track, streams: [{ id: 'a1' }], transceiver: { receiver } });
    return track;
  };
  return { fake, session, told, connection, video };
}

async function eventually(condition) {
  for (let i = 0; i < 1_000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`did not come true: ${condition}`);
}

test('a change of media server interrupts once, until media arrives through the new connection', async (t) => {
  const { fake, told, connection, video } = await receiving(t);
  const lastPacket = clock() - 3_000;
  const old = video(await connection(1), { lastPacket });
  fake.push('disconnected', { epoch: 1, reason: 'server-down' });
  const pc = await connection(2);
  old.readyState = 'ended';
  const track = video(pc, { muted: true });
  pc.become('connected');
  assert.deepEqual(told, ['interrupted a1']);
  const past = clock() - lastPacket;
  track.muted = false;
  track.onunmute();
  const ms = Number(told[1]?.split(' ')[2]);
  assert.ok(ms >= past && ms < past + 3_000, `${told}, at least ${past} ms`);
});

test('a connection that heals by itself goes on with its tracks', async (t) => {
  const { told, connection, video } = await receiving(t);
  const pc = await connection(1);
  video(pc, { lastPacket: clock() });
  pc.become('connected');
  pc.become('disconnected');
  assert.deepEqual(told, ['interrupted a1']);
  pc.become('connected');
  assert.equal(told.length, 2);
});

test('a fresh connection without a word of the server interrupts, too', async (t) => {
  const { told, connection, video } = await receiving(t);
  video(await connection(1), { lastPacket: clock() });
  await connection(1, 2); // another peer connection of the server
  assert.deepEqual(told, ['interrupted a1']);
});

test('a stream that brought nothing is not interrupted, nor one that is no longer wanted', async (t) => {
  const { fake, session, told, connection, video } = await receiving(t);
  video(await connection(1));
  fake.push('disconnected', { epoch: 1, reason: 'server-down' });
  video(await connection(2), { lastPacket: clock() });
  await session.unsubscribe();
  fake.push('message', { type: 'end', data: null });
  await new Promise((resolve) => session.on('message', resolve));
  assert.deepEqual(told, []);
});

test('a pause or other subscriptions end the interruption', async (t) => {
  for (const end of [
    ({ fake }) => fake.push('stream-updated', { stream: { ...ann.streams[0], state: 'paused' } }),
    ({ session }) => session.subscribe({ mode: 'list', streams: [{ id: 'a1', kinds: ['audio'] }] }),
    ({ session }) => session.subscribe({ mode: 'list', streams: [] }),
  ]) {
    const receives = await receiving(t);
    receives.video(await receives.connection(1), { lastPacket: clock() });
    receives.fake.push('disconnected', { epoch: 1, reason: 'server-down' });
    await eventually(() => receives.told.length === 1);
    end(receives);
    await eventually(() => receives.told[1] === 'recovered a1 null');
  }
});

test('a stream that is removed is forgotten', async (t) => {
  const { fake, told, connection, video } = await receiving(t);
  video(await connection(1), { lastPacket: clock() });
  fake.push('disconnected', { epoch: 1, reason: 'server-down' });
  fake.push('stream-removed', { stream: ann.streams[0] });
  fake.push('stream-added', { stream: ann.streams[0] });
  video(await connection(2));
  assert.deepEqual(told, ['interrupted a1']);
});
