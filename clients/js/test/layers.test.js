import assert from 'node:assert/strict';
import { test } from 'node:test';

import { encodingsFor } from '../src/layers.js';
import { Wishes } from '../src/wishes.js';

const track = (settings, more = {}) => ({ kind: 'video', getSettings: () => settings, ...more });

test('only a camera picture that is large enough is sent in layers', () => {
  assert.deepEqual(encodingsFor(track({ width: 1280 })).map(({ rid }) => rid), ['q', 'h', 'f']);
  assert.deepEqual(encodingsFor(track({ width: 1280 })).map((e) => e.scaleResolutionDownBy), [4, 2, 1]);
  assert.deepEqual(encodingsFor(track({ width: 640 })).map(({ rid }) => rid), ['h', 'f']);
  assert.equal(encodingsFor(track({ width: 320 })), undefined);
  assert.equal(encodingsFor(track({})), undefined);
  assert.equal(encodingsFor(track({ width: 1920, displaySurface: 'monitor' })), undefined);
  assert.equal(encodingsFor(track({ width: 1920 }, { contentHint: 'text' })), undefined);
  assert.equal(encodingsFor({ kind: 'audio' }), undefined);
});

test('limits of layers go with either mode', () => {
  const wishes = new Wishes();
  assert.equal(wishes.isDefault, true);
  assert.deepEqual(wishes.body, { mode: 'all' });
  assert.equal(wishes.limit('a', 0), true);
  assert.equal(wishes.limit('a', 0), false);
  assert.deepEqual(wishes.body, { mode: 'all', streams: [{ id: 'a', maxLayer: 0 }] });
  wishes.choose({ mode: 'list', streams: [{ id: 'a', kinds: ['video'] }, { id: 'b' }] });
  assert.deepEqual(wishes.body, { mode: 'list', streams: [{ id: 'a', kinds: ['video'], maxLayer: 0 }, { id: 'b' }] });
  assert.deepEqual(wishes.kinds('a'), ['video']);
  assert.deepEqual(wishes.kinds('c'), []);
  wishes.limit('a', null);
  wishes.choose({});
  assert.equal(wishes.isDefault, true);
});
