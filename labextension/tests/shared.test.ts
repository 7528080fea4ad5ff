// Which version of JupyterLab's modules is taken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { best, load, NAMES, take } from '../src/shared.ts';

const offer = (name: string, loaded = false) => ({ get: () => Promise.resolve(() => name), loaded });

test('the version in use is taken, otherwise the newest', () => {
  const [old, current, newer] = [offer('old'), offer('current', true), offer('newer')];
  assert.equal(best({ '4.9.0': current, '4.10.0': newer, '4.1.0': old }), current);
  assert.equal(best({ '4.9.0': old, '4.10.0': newer }), newer);
  assert.equal(best({}), undefined);
});

test('a module that the page does not have is empty', async () => {
  const [name] = NAMES;
  await load({ [name]: { '4.0.0': offer('module') } });
  assert.equal(take(name), 'module');
  assert.deepEqual(take('@jupyterlab/statusbar'), {});
});
