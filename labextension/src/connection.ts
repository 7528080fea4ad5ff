// What a page runs and shows on one kernel connection: the msg_ids of its requests, by cell. Filters repeats for each of them.
//
// Must not send anything. Cost: one entry a request.

import type { CodeCell } from '@jupyterlab/cells';
import type { Kernel } from '@jupyterlab/services';
import { filterRepeats } from './filter.ts';

/** What a connection needs of its notebook. */
interface Notebook {
  cellOf: (cellId: string) => CodeCell | undefined;
  /** Called when an execution is over and all of its output is in the notebook. */
  over: (id: string) => void;
}

export class Connection {
  readonly kernel: Kernel.IKernelConnection;
  /** The last execution of each cell that this page has run or shows. */
  readonly latest = new Map<string, string>();
  readonly #running = new Set<string>();
  readonly #known = new Set<string>();
  readonly #notebook: Notebook;

  constructor(kernel: Kernel.IKernelConnection, notebook: Notebook) {
    this.kernel = kernel;
    this.#notebook = notebook;
    kernel.anyMessage.connect((_, { msg, direction }) => {
      if (direction !== 'send' || msg.header.msg_type !== 'execute_request') return;
      const cellId = msg.metadata['cellId'];
      if (typeof cellId === 'string') this.#ran(cellId, msg.header.msg_id);
    });
  }

  /** Whether this page has run or shows the execution. */
  knows(id: string): boolean {
    return this.#known.has(id);
  }

  /** Whether the last execution of the cell, as this page knows it, is not over. */
  isRunning(cellId: string): boolean {
    return this.#running.has(this.latest.get(cellId) ?? '');
  }

  /** What this page has run or shows and what is not over. */
  get running(): string[] {
    return [...this.#running];
  }

  /** A cell shows an execution. `over` resolves to whether it came to its end; it never rejects. */
  show(cellId: string, id: string, over: Promise<boolean>): void {
    this.latest.set(cellId, id);
    this.#known.add(id);
    this.#running.add(id);
    void over.then(ended => {
      if (!this.#running.delete(id)) return;
      // When the page leaves the kernel, futures end without a reply, but the execution goes on
      if (ended || !this.kernel.isDisposed) this.#notebook.over(id);
    });
  }

  /** Undoes `show`: the server does not have the execution any more. */
  forget(cellId: string, id: string): void {
    this.latest.delete(cellId);
    this.#known.delete(id);
    this.#running.delete(id);
  }

  #ran(cellId: string, id: string): void {
    this.#known.add(id);
    // JupyterLab gives the future to the cell after it has sent the request, in the same turn of the event loop
    queueMicrotask(() => {
      const future = this.#notebook.cellOf(cellId)?.outputArea.future;
      if (future?.msg.header.msg_id !== id) return;
      filterRepeats(this.kernel, future);
      const over = future.done.then(
        () => true,
        () => false
      );
      this.show(cellId, id, over);
    });
  }
}
