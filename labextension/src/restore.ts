// One notebook: gives its cells the executions that the server keeps, and reports what a save has put into the file.
//
// Restores once for each kernel connection, when it is connected; a connection that is lost and comes back resumes by itself.
// Must not wait for the kernel: it may be busy for hours. Cost: when a notebook is opened, one request each to announce the
// extension, to list executions, to list sessions (these two while the page connects to the kernel) and to attach; one after a
// save that holds new output.

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { RestoredCell } from './cell.ts';
import { choose, type Choice, type Execution } from './choose.ts';
import { Connection } from './connection.ts';
import { followRestarts } from './restarted.ts';
import { type Attached, Server } from './server.ts';
import type { Options } from './options.ts';
import { managerReady, Widgets } from './widgets.ts';

/** What the server said about a kernel. */
interface Found {
  executions: Execution[] | null;
  /** Whether no other notebook uses the kernel. */
  alone: boolean;
  /** When it was asked, by the page's clock. */
  asked: number;
}

/** What was asked longer ago is asked again, because another page may have run cells since. */
const FRESH_MS = 3000;

export class NotebookRestorer {
  readonly #panel: NotebookPanel;
  readonly #options: Options;
  readonly #say: (text: string) => void;
  #connection: Connection | null = null;
  #server: Server | null = null;
  #found: Promise<Found> | null = null;
  #widgets: Widgets | null = null;
  #restored = false;
  /** The executions that are over and whose output the notebook shows. */
  readonly #shown = new Set<string>();
  #saving: string[] = [];

  constructor(panel: NotebookPanel, options: Options, say: (text: string) => void) {
    this.#panel = panel;
    this.#options = options;
    this.#say = say;
    const { sessionContext, context } = panel;
    sessionContext.kernelChanged.connect(() => {
      this.#begin();
    });
    sessionContext.connectionStatusChanged.connect(() => {
      this.#begin();
    });
    context.saveState.connect((_, state) => {
      this.#saved(state);
    });
    void context.ready.then(() => {
      this.#begin();
    });
  }

  #begin(): void {
    const kernel = this.#panel.sessionContext.session?.kernel;
    if (!kernel || this.#panel.isDisposed || !this.#panel.context.isReady) return;
    if (this.#connection?.kernel !== kernel) this.#meet(kernel);
    if (kernel.connectionStatus !== 'connected' || !this.#connection || !this.#server) return;
    if (this.#restored) {
      void resume(this.#connection, this.#server, this.#widgets);
      return;
    }
    this.#restored = true;
    void this.#server.announce();
    if (this.#options.restore) void this.#restore();
  }

  #meet(kernel: Kernel.IKernelConnection): void {
    this.#connection = new Connection(kernel, {
      cellOf: cellId => this.#codeCells().find(cell => cell.model.id === cellId),
      over: id => this.#shown.add(id)
    });
    this.#server = new Server(kernel);
    this.#found = this.#options.restore ? find(this.#server) : null;
    this.#widgets = new Widgets(kernel, () => this.#codeCells());
    this.#restored = false;
    this.#shown.clear();
    kernel.iopubMessage.connect((_, message) => {
      this.#follow(message);
    });
    followRestarts(
      kernel,
      () => this.#panel.title.label,
      () => this.#codeCells()
    );
  }

  #codeCells(): CodeCell[] {
    return this.#panel.content.widgets.filter(isCodeCell);
  }

  async #restore(): Promise<void> {
    const [connection, server] = [this.#connection, this.#server];
    if (!connection || !server) return;
    let [found] = await Promise.all([this.#found ?? find(server), managerReady(this.#panel)]);
    if (performance.now() - found.asked > FRESH_MS) found = await find(server);
    if (connection !== this.#connection) return;
    if (!found.executions) {
      this.#say('the server keeps no executions of this kernel, so nothing is restored');
      return;
    }
    await this.#show(connection, server, found.executions, found.alone, false);
  }

  /** Shows an execution of another page when it begins. */
  #follow(message: KernelMessage.IIOPubMessage): void {
    const [connection, server] = [this.#connection, this.#server];
    if (!this.#options.follow || !connection || !server || message.header.msg_type !== 'execute_input') return;
    const { msg_id, session } = message.parent_header as Partial<KernelMessage.IHeader>;
    if (msg_id === undefined || session === connection.kernel.clientId || connection.knows(msg_id)) return;
    void find(server).then(({ executions, alone }) => {
      const begun = executions?.filter(({ id }) => id === msg_id) ?? [];
      if (connection === this.#connection) void this.#show(connection, server, begun, alone, true);
    });
  }

  /** `again`: also in cells that show an earlier execution, if that is over. */
  async #show(connection: Connection, server: Server, executions: Execution[], alone: boolean, again: boolean): Promise<void> {
    const { model } = this.#panel.context;
    if (this.#panel.isDisposed) return;
    const cells = this.#codeCells();
    const facts = cells.map(({ model: { id, sharedModel } }) => {
      const taken = again ? connection.isRunning(id) : connection.latest.has(id);
      return { id, source: sharedModel.getSource(), taken };
    });
    const before = model.dirty ? null : this.#written();
    const restored = choose(executions, facts, alone).flatMap(choice => this.#register(connection, cells, choice));
    const widgets = again ? undefined : this.#widgets?.ask(id => connection.knows(id));
    if (!restored.length && widgets === undefined) return;
    const taken = await server.attach(
      restored.map(({ execution }) => execution.id),
      widgets
    );
    this.#noteWidgets(taken);
    for (const cell of restored) {
      if (taken.executions.has(cell.execution.id)) continue;
      connection.forget(cell.cellId, cell.execution.id);
      cell.undo();
    }
    await Promise.all(restored.map(({ over }) => over));
    // The file already holds all that is shown
    if (before !== null && restored.every(({ isUnchanged }) => isUnchanged) && before === this.#written()) model.dirty = false;
  }

  #noteWidgets({ widgets }: Attached): void {
    if (!widgets) this.#widgets?.cancel();
    if (widgets?.evicted) {
      this.#say('some widgets exceed widgets_kept or widgets_memory_limit, so they come back when the kernel answers');
    }
  }

  #register(connection: Connection, cells: readonly CodeCell[], { execution, index }: Choice): RestoredCell[] {
    const cell = cells[index];
    if (!cell || connection.kernel.status === 'dead') return [];
    const restored = new RestoredCell(cell, connection.kernel, execution);
    connection.show(cell.model.id, execution.id, restored.over);
    return [restored];
  }

  /** What a user can edit: sources and metadata. Without `trusted`, which is not saved in the file. */
  #written(): string {
    const cells = this.#panel.content.widgets.map(({ model: { id, metadata, sharedModel } }) => [id, metadata, sharedModel.getSource()]);
    return JSON.stringify(cells, (key, value: unknown) => (key === 'trusted' ? undefined : value));
  }

  #saved(state: string): void {
    if (state === 'started') this.#saving = [...this.#shown];
    if (state !== 'completed' || !this.#saving.length) return;
    this.#saving.forEach(id => this.#shown.delete(id));
    void this.#server?.saved(this.#saving);
    this.#saving = [];
  }
}

/** Asks both at once. */
async function find(server: Server): Promise<Found> {
  const asked = performance.now();
  const [executions, alone] = await Promise.all([server.executions(), server.isAlone()]);
  return { executions, alone, asked };
}

/** After a reconnect. If the old session has ended, the new one knows nothing of this page: announces and attaches again. */
async function resume(connection: Connection, server: Server, widgets: Widgets | null): Promise<void> {
  const facts = await server.session();
  if (facts?.announced !== false) return;
  await server.announce();
  const running = connection.running;
  const request = widgets?.ask();
  if (!running.length && request === undefined) return;
  const attached = await server.attach(running, request);
  if (!attached.widgets) widgets?.cancel();
}

/** Not `instanceof`: an extension may have a class of its own. */
function isCodeCell(cell: Cell): cell is CodeCell {
  return cell.model.type === 'code';
}
