// Messages that come twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Repeats } from '../src/repeats.ts';

test('a message is a repeat the second time, and every time after', () => {
  const repeats = new Repeats();
  const message = { msg_id: '1', msg_type: 'stream' };
  assert.deepEqual(
    [1, 2, 3].map(() => repeats.isRepeat(message)),
    [false, true, true]
  );
});

test('an update of a display has the msg_id of the display', () => {
  const repeats = new Repeats();
  assert.equal(repeats.isRepeat({ msg_id: '1', msg_type: 'update_display_data' }), false);
  assert.equal(repeats.isRepeat({ msg_id: '1', msg_type: 'display_data' }), false);
});

test('at least so many messages are remembered, and at most twice as many', () => {
  const most = 10;
  const repeats = new Repeats(most);
  const stream = (number: number): boolean => repeats.isRepeat({ msg_id: String(number), msg_type: 'stream' });
  for (let number = 0; number < 5 * most; number++) assert.equal(stream(number), false);
  for (let number = 4 * most; number < 5 * most; number++) assert.equal(stream(number), true);
  assert.equal(stream(0), false);
});
