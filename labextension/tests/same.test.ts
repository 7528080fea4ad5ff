// When outputs show the same.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameOutputs } from '../src/same.ts';

const stdout = (text: string | string[]) => ({ output_type: 'stream', name: 'stdout', text });
const stderr = (text: string) => ({ output_type: 'stream', name: 'stderr', text });

test('text in pieces is the same as in one', () => {
  assert.ok(sameOutputs([stdout('a\n'), stdout(['b\n', 'c'])], [stdout('a\nb\nc')]));
  assert.ok(!sameOutputs([stdout('a'), stderr('b'), stdout('c')], [stdout('ac'), stderr('b')]));
});

test('the order of keys does not matter, that of outputs does', () => {
  const display = (data: Record<string, string>) => ({ output_type: 'display_data', data, metadata: {} });
  assert.ok(sameOutputs([display({ a: '1', b: '2' })], [display({ b: '2', a: '1' })]));
  assert.ok(!sameOutputs([display({ a: '1' }), display({ a: '2' })], [display({ a: '2' }), display({ a: '1' })]));
  assert.ok(!sameOutputs([display({ a: '1' })], []));
});
