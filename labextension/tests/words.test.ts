// What the indicator says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, describe, type SessionFacts } from '../src/words.ts';

const calm: SessionFacts = { round_trip: 0.0124, resumes: 0, caught_up: { messages: 412 }, waiting: { messages: 0, bytes: 0 }, kernel: 'idle' };
const waiting = { ...calm, waiting: { messages: 10, bytes: 7_000_000 } };

test('all is well', () => {
  assert.equal(describe('connected', calm, false).text, '12 ms');
  assert.equal(describe('connected', { ...calm, round_trip: null }, false).text, 'Connected');
  assert.equal(describe('connected', { ...calm, round_trip: 0 }, false).text, '1 ms');
  assert.equal(describe('connected', null, false).text, '');
});

test('the connection is lost, and comes back', () => {
  assert.equal(describe('connecting', calm, false).text, 'Reconnecting…');
  assert.equal(describe('disconnected', calm, true).text, 'Disconnected');
  assert.equal(describe('connected', calm, true).text, 'Resumed, 412 messages caught up');
  assert.equal(describe('connected', { ...calm, caught_up: { messages: 0 } }, true).text, 'Resumed');
});

test('output is still arriving, and can be skipped', () => {
  const finished = describe('connected', waiting, true);
  assert.equal(finished.text, 'The kernel has finished, 7.0 MB still arriving');
  assert.ok(finished.skip);
  assert.equal(describe('connected', { ...waiting, kernel: 'busy' }, false).text, '7.0 MB waiting');
  assert.ok(!describe('connected', { ...calm, waiting: { messages: 1, bytes: 100 } }, false).skip);
});

test('bytes as a person says them', () => {
  assert.deepEqual([66_000, 999_400, 1_500_000, 12_345_678, 1_234_567_890].map(bytes), ['66 KB', '999 KB', '1.5 MB', '12 MB', '1,235 MB']);
});
