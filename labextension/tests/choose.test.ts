// Which executions belong to which cells.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { type Cell, choose, type Execution } from '../src/choose.ts';

const hash = (source: string): string => createHash('sha256').update(source).digest('hex');

function execution(id: string, cellId: string | null, source = 'x'): Execution {
  const rest = { execution_count: 1, submitted: null, finished: null };
  return { id, cell_id: cellId, state: 'done', status: 'ok', source_sha256: hash(source), ...rest };
}

function cell(id: string, source = 'x', taken = false): Cell {
  return { id, source, taken };
}

function chosen(executions: Execution[], cells: Cell[], alone = true): [string, number][] {
  return choose(executions, cells, alone).map(({ execution, index }) => [execution.id, index]);
}

test('a cell gets its newest execution, and the oldest is shown first', () => {
  const executions = [execution('3', 'a'), execution('2', 'b'), execution('1', 'a')];
  assert.deepEqual(chosen(executions, [cell('a'), cell('b')]), [
    ['2', 1],
    ['3', 0]
  ]);
});

test('what belongs to no cell of the notebook is left alone', () => {
  assert.deepEqual(chosen([execution('1', 'gone', 'y'), execution('2', null), execution('3', 'a')], [cell('a'), cell('b', 'y')]), [['3', 0]]);
});

test('a cell that this page has run keeps what it shows', () => {
  assert.deepEqual(chosen([execution('1', 'a')], [cell('a', 'x', true)]), []);
});

test('a cell that was edited while it ran gets its output, unless it may be the copy of another notebook', () => {
  const cells = [cell('a', 'edited'), cell('b', 'y')];
  const executions = [execution('1', 'a'), execution('2', 'b', 'y')];
  assert.deepEqual(chosen(executions, cells), [
    ['2', 1],
    ['1', 0]
  ]);
  assert.deepEqual(chosen(executions, cells, false), [['2', 1]]);
});

test('where all ids are new, a source that is there once decides', () => {
  const cells = [cell('n1', 'é'), cell('n2', 'twice'), cell('n3', 'twice')];
  const executions = [execution('3', 'o3', 'twice'), execution('1', 'o1', 'é')];
  assert.deepEqual(chosen(executions, cells), [['1', 0]]);
  assert.deepEqual(chosen(executions, cells, false), []);
});

test('a source that ran in two cells decides nothing', () => {
  assert.deepEqual(chosen([execution('2', 'o2'), execution('1', 'o1')], [cell('n1')]), []);
});
