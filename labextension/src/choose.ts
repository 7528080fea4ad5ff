// Decides which executions of a kernel belong to which cells of a notebook. Pure: must not ask the server or touch a page.
//
// An execution belongs to the cell with its id. Cells of a copied notebook have the same ids, so if several notebooks use the
// kernel, the source must be equal too. A notebook below nbformat 4.5 has new ids each time it is loaded: if no id is known, an
// execution belongs to the only cell that has its source. Cost: one pass, and one SHA-256 a cell where sources are compared.

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** An execution as the server lists it. */
export interface Execution {
  id: string;
  cell_id: string | null;
  state: 'queued' | 'running' | 'input' | 'done' | 'lost';
  status: 'ok' | 'error' | 'aborted' | null;
  execution_count: number | null;
  submitted: string | null;
  finished: string | null;
  source_sha256: string;
}

/** What is known of a code cell. */
export interface Cell {
  id: string;
  source: string;
  /** Whether this page has run it, or shows an execution of it already. */
  taken: boolean;
}

/** An execution and the index of its cell. */
export interface Choice {
  execution: Execution;
  index: number;
}

/** `newestFirst` as the server lists them; `alone`: whether only this notebook uses the kernel. Returns the oldest first. */
export function choose(newestFirst: readonly Execution[], cells: readonly Cell[], alone: boolean): Choice[] {
  const newest = new Map<string, Execution>();
  for (const execution of newestFirst) {
    if (execution.cell_id !== null && !newest.has(execution.cell_id)) newest.set(execution.cell_id, execution);
  }
  const idsKnown = cells.some(cell => newest.has(cell.id));
  const found = idsKnown ? byId(newest, cells, alone) : alone ? bySource([...newest.values()], cells) : [];
  return found.filter(({ index }) => !cells[index]?.taken).reverse();
}

function byId(newest: ReadonlyMap<string, Execution>, cells: readonly Cell[], alone: boolean): Choice[] {
  const indexes = new Map(cells.map((cell, index) => [cell.id, index]));
  return [...newest].flatMap(([cellId, execution]) => {
    const index = indexes.get(cellId);
    if (index === undefined) return [];
    return alone || hash(cells[index]?.source ?? '') === execution.source_sha256 ? [{ execution, index }] : [];
  });
}

function bySource(executions: readonly Execution[], cells: readonly Cell[]): Choice[] {
  const hashes = cells.map(cell => hash(cell.source));
  const sources = executions.map(execution => execution.source_sha256);
  return executions.flatMap(execution => {
    const source = execution.source_sha256;
    return isUnique(source, hashes) && isUnique(source, sources) ? [{ execution, index: hashes.indexOf(source) }] : [];
  });
}

function isUnique(value: string, values: readonly string[]): boolean {
  const first = values.indexOf(value);
  return first >= 0 && first === values.lastIndexOf(value);
}

function hash(source: string): string {
  return bytesToHex(sha256(utf8ToBytes(source)));
}
