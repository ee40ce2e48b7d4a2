// The demo page: everything it does with the session it does through the SDK.
import { join } from './sdk/orkestro.js';
import { ownHost } from './own_host.js';
import * as panel from './panel.js';
import { testPicture } from './test_picture.js';
import { Tiles } from './tiles.js';

const statsPeriod = 1_000; // ms
const ownKey = 'own';
const callKey = 'orkestro-call'; // of sessionStorage, which outlives a reload: the call that this tab is in
const $ = (id) => document.getElementById(id);
const tiles = new Tiles($('grid'), { onResize: chooseLayers });
const form = $('join-form');

let session = null;
let media = null; // { stream, stop, mirror } that is published
let statsTimer;
const missing = { api: false, media: false };

const names = ['Ada', 'Grace', 'Alan', 'Edsger', 'Barbara', 'Donald', 'Frances', 'Niklaus', 'Radia', 'Tony'];
const query = new URLSearchParams(location.search);
form.session.value = query.get('session') ?? 'demo';
form.name.value = query.get('name') ?? names[Math.floor(Math.random() * names.length)];
form.picture.checked = query.has('picture') || !navigator.mediaDevices;
form.addEventListener('submit', (event) => {
  event.preventDefault();
  enter();
});
$('mute-audio').addEventListener('click', () => toggle('audio'));
$('mute-video').addEventListener('click', () => toggle('video'));
$('swap').addEventListener('click', () => guarded(swapMedia));
$('rejoin').addEventListener('click', () => guarded(() => session.rejoin()));
$('leave').addEventListener('click', () => guarded(() => session.leave()));
$('chat-form').addEventListener('submit', (event) => {
  event.preventDefault();
  guarded(sendChat);
});
$('copy-link').addEventListener('click', () => guarded(() => navigator.clipboard.writeText(link({}))));
document.addEventListener('visibilitychange', chooseLayers);
const [navigation] = performance.getEntriesByType('navigation');
const interrupted = navigation?.type === 'reload' ? JSON.parse(sessionStorage.getItem(callKey)) : null;
if (interrupted) {
  form.name.value = interrupted.name;
  form.picture.checked = interrupted.picture;
}
if (interrupted || query.has('auto')) enter();

/** Joins and publishes; the form stays when that fails. */
async function enter() {
  const error = document.querySelector('[data-testid="join-error"]');
  const button = document.querySelector('[data-testid="join"]');
  error.hidden = true;
  panel.ended('');
  button.disabled = true;
  panel.status('joining', 'warn');
  try {
    const joining = requestJoin(form.session.value, form.name.value);
    const [joined] = await Promise.all([joining, openMedia(form.picture.checked)]);
    session = await join({ ...joined, url: await ownHost(joined.url), leaveOnUnload: true });
    begin();
    await session.publish(media.stream);
  } catch (err) {
    error.textContent = err.message;
    error.hidden = false;
    if (!session) panel.status('not joined');
    if (session) failed(err);
    else closeMedia();
  } finally {
    button.disabled = false;
  }
}

async function requestJoin(name, user) {
  const response = await fetch('join', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ session: name, name: user }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail || body.code);
  return body;
}

/** Opens the camera, or the test picture when that is wanted or nothing else is there. */
async function openMedia(picture) {
  let opened;
  if (!picture) opened = await openCamera().catch((err) => panel.log('camera', err.message));
  opened ??= { ...testPicture(form.name.value), mirror: false };
  media = opened;
  $('swap').textContent = opened.mirror ? 'Test picture' : 'Camera';
  return opened;
}

async function openCamera() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 360 } });
  const tracks = stream.getTracks(); // the stream may be given others
  return { stream, mirror: true, stop: () => tracks.forEach((track) => track.stop()) };
}

function closeMedia() {
  media?.stop();
  media = null;
}

// The other source in the place of this one: the stream keeps its name, nothing is negotiated.
async function swapMedia() {
  const old = media;
  const published = old.published ?? old.stream;
  const next = await openMedia(old.mirror);
  for (const track of next.stream.getTracks()) {
    const former = published.getTracks().find((t) => t.kind === track.kind);
    if (former) await session.replaceTrack(former, track);
  }
  next.published = published;
  old.stop();
  tiles.show(ownKey, { name: form.name.value, mediaStream: published, own: true, mirror: next.mirror });
}

function begin() {
  document.body.dataset.phase = 'call';
  history.replaceState(null, '', link({ name: form.name.value }));
  sessionStorage.setItem(callKey, JSON.stringify({ name: form.name.value, picture: form.picture.checked }));
  $('lobby').hidden = true;
  $('call').hidden = false;
  document.querySelector('[data-testid="where"]').textContent = `${session.id} · ${form.name.value}`;
  for (const kind of ['audio', 'video']) drawMuted(kind, false);
  tiles.show(ownKey, { name: form.name.value, mediaStream: media.stream, own: true, mirror: media.mirror });
  follow(session);
  drawUsers();
  drawInfo();
  statsTimer = setInterval(drawStats, statsPeriod);
  drawStatus({ api: false, media: false });
}

/** Says what is missing, after a change of that. */
function drawStatus(change) {
  Object.assign(missing, change);
  if (missing.api) panel.status('no connection to the API', 'warn');
  else if (missing.media) panel.status('reconnecting', 'warn');
  else panel.status('joined', 'good');
}

function follow(current) {
  const logged = (type, text, then = () => {}) => current.on(type, (detail) => {
    panel.log(type, text(detail));
    then(detail);
  });
  logged('joined', ({ epoch }) => `epoch ${epoch}`, () => {
    drawStatus({ media: false });
    drawUsers();
    drawInfo();
  });
  logged('user-joined', ({ user }) => panel.nameOf(user), drawUsers);
  logged('user-left', ({ user, reason }) => `${panel.nameOf(user)}: ${reason}`, drawUsers);
  logged('stream-added', ({ stream, user }) => `${stream.kinds.join('+')} of ${panel.nameOf(user)}`, ({ stream }) => {
    drawStream(stream.id); // its media may have been first
  });
  logged('stream-updated', ({ stream, user }) => `${panel.nameOf(user)} ${paused(stream)}`, ({ stream }) => drawPaused(stream));
  logged('stream-removed', ({ stream, user }) => `${stream.kinds.join('+')} of ${panel.nameOf(user)}`, ({ stream }) => {
    tiles.remove(stream.id);
    drawAlone();
  });
  logged('track', ({ track, streamId }) => `${track.kind} of ${panel.nameOf(ownerOf(streamId))}`, ({ streamId }) => {
    drawStream(streamId);
  });
  logged('connection-state', ({ connection, state, by }) => `${connection} ${state} (${by})`, drawStats);
  logged('connection-failed', ({ connection, retry }) => `${connection}, retry ${retry}`);
  logged('interrupted', ({ streamId }) => panel.nameOf(ownerOf(streamId)), ({ streamId }) => tiles.interrupted(streamId));
  logged('recovered', ({ streamId, ms }) => `${panel.nameOf(ownerOf(streamId))} ${ms === null ? '' : panel.milliseconds(ms)}`,
    ({ streamId, ms }) => tiles.recovered(streamId, ms));
  logged('disconnected', ({ reason }) => reason, () => drawStatus({ media: true }));
  logged('reconnect', ({ epoch }) => `epoch ${epoch}`, drawInfo);
  logged('reconnected', ({ gap }) => panel.milliseconds(gap), () => {
    drawStatus({ media: false });
    drawStats();
  });
  logged('relocating', ({ epoch }) => `epoch ${epoch}`, drawInfo);
  logged('relocated', ({ gap }) => `media was away for ${panel.milliseconds(gap)}`, drawStats);
  logged('signalling', ({ state }) => state, ({ state }) => drawStatus({ api: state === 'lost' }));
  logged('warning', ({ what, error }) => `${what}: ${error?.message ?? ''}`);
  logged('error', (err) => err.message, failed);
  logged('closed', ({ reason }) => reason, ended);
  current.on('message', showMessage);
  current.on('speakers', ({ speakers }) => {
    tiles.setSpeaking(speakers.map(({ user, stream }) => (user === current.userId ? ownKey : stream)));
  });
  logged('quality', ({ streams }) => streams.map(qualityText).join(', '), ({ streams }) => {
    for (const stream of streams) tiles.setQuality(stream.id, stream);
    chooseLayers();
  });
}

const qualityText = ({ id, layer, layers, limit }) => `${panel.nameOf(ownerOf(id))} ${layer + 1}/${layers} (${limit})`;

// No tile gets a larger picture than it shows, a page that nobody sees the smallest.
function chooseLayers() {
  for (const [id, { layers }] of session?.quality ?? []) {
    if (layers > 1) guarded(() => session.setMaxLayer(id, tiles.layerFor(id, layers)));
  }
}

function drawStream(streamId) {
  const mediaStream = session.mediaStream(streamId);
  if (!mediaStream) return;
  const owner = ownerOf(streamId);
  tiles.show(streamId, { name: panel.nameOf(owner), mediaStream });
  const stream = owner?.streams.find(({ id }) => id === streamId);
  if (stream) drawPaused(stream);
  drawAlone();
}

const ownerOf = (streamId) =>
  [...session.users.values()].find(({ streams }) => streams.some(({ id }) => id === streamId));

function paused({ state, pausedKinds = [] }) {
  if (state === 'paused') return 'paused';
  return pausedKinds.length > 0 ? `paused ${pausedKinds.join('+')}` : 'active';
}

function drawPaused({ id, user, kinds, state, pausedKinds = [] }) {
  const without = (kind) => state === 'paused' || pausedKinds.includes(kind) || !kinds.includes(kind);
  const key = user === session.userId ? ownKey : id;
  tiles.setOff(key, without('video'));
  tiles.setSilent(key, without('audio'));
}

function drawUsers() {
  panel.users([...session.users.values()], session.userId);
  drawAlone();
}

const drawAlone = () => { $('alone').hidden = tiles.size > 1; };

async function drawInfo() {
  panel.fact('epoch', session.epoch);
  const info = await session.info().catch(() => null);
  if (info && session) panel.fact('server', info.pipeline?.server);
}

async function drawStats() {
  const { publish, subscribe } = await session.stats();
  if (!session) return; // ended meanwhile
  panel.fact('publish-state', publish.state);
  panel.fact('subscribe-state', subscribe.state);
  panel.fact('bitrate-out', panel.bitrate(publish.bitrateOut));
  panel.fact('bitrate-in', panel.bitrate(subscribe.bitrateIn));
  panel.fact('rtt', publish.rtt === null ? null : panel.milliseconds(publish.rtt * 1000));
  panel.fact('joined-time', panel.milliseconds(session.timings.joined));
  panel.fact('first-media', panel.milliseconds(session.timings.firstMedia));
  panel.fact('last-gap', panel.milliseconds(session.timings.lastGap));
}

function showMessage({ from, type, data, to }) {
  if (type !== 'chat') return;
  panel.message({ from: panel.nameOf(session.users.get(from)), text: String(data?.text ?? ''), toMe: to !== undefined });
}

async function sendChat() {
  const input = $('chat-text');
  const text = input.value.trim();
  if (!text) return;
  const to = $('chat-to').value || undefined;
  input.value = '';
  await session.send('chat', { text }, to);
  // What goes to everybody comes back to its sender; a private one does not.
  if (to) panel.message({ from: `You to ${panel.nameOf(session.users.get(to))}`, text, toMe: true });
}

function toggle(kind) {
  const muted = $(`mute-${kind}`).getAttribute('aria-pressed') !== 'true';
  drawMuted(kind, muted);
  guarded(() => session.mute(kind, muted));
}

function drawMuted(kind, muted) {
  const button = $(`mute-${kind}`);
  button.setAttribute('aria-pressed', muted);
  button.textContent = { audio: ['Mute', 'Unmute'], video: ['Stop video', 'Start video'] }[kind][Number(muted)];
  if (kind === 'video') tiles.setOff(ownKey, muted);
  else tiles.setSilent(ownKey, muted);
}

// Why a session is over, by the SDK's CloseReason, for the one who was in it.
const endings = {
  removed: 'The session does not know you any more: you were removed from it, or the servers started again without their data.',
  timeout: 'You were removed from the session: nothing was heard of this page for too long, or its connections kept failing.',
  deleted: 'The session was closed.',
  empty: 'The session was closed because nobody was in it.',
  superseded: 'Another page has joined as you.',
  unauthorized: 'The servers do not accept this page any more.',
};

/** Back to the form; why, unless one left oneself. */
function ended({ reason }) {
  clearInterval(statsTimer);
  tiles.clear();
  closeMedia();
  session = null;
  sessionStorage.removeItem(callKey);
  document.body.dataset.phase = 'lobby';
  $('messages').replaceChildren();
  $('call').hidden = true;
  $('lobby').hidden = false;
  document.querySelector('[data-testid="where"]').textContent = '';
  panel.status(reason === 'left' ? 'left' : 'ended', reason === 'left' ? '' : 'bad');
  panel.ended(reason === 'left' ? '' : `${endings[reason] ?? `The session is over (${reason}).`} Join to go on.`);
}

async function guarded(action) {
  try {
    await action();
  } catch (err) {
    failed(err);
  }
}

function failed(err) {
  if (err.name === 'AbortError') return; // the session ended meanwhile
  panel.log('error', err.message);
  panel.status(err.message, 'bad');
}

function link(more) {
  const url = new URL(location.pathname, location.href);
  url.search = new URLSearchParams({ session: form.session.value, ...more });
  return url.href;
}
