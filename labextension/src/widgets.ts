// The widgets of a kernel connection: makes them from what the server keeps, so that they are shown while the kernel is busy.
//
// ipywidgets asks the kernel for its widgets, and a busy kernel answers late. The server has their state, and sends it as answers to
// a request of this page; `kernelws_comm_open` has the content of a `comm_open`. JupyterLab awaits what `onIOPub` returns before it
// handles the next message, so a widget is there before those that refer to it, before its changes, and before outputs that show it.
// A widget that the page has already, because the kernel was faster, is left alone; ipywidgets does the same with ours.
// Must not close a comm: the kernel would delete its widget. So nothing is done if no widget manager has registered its target.
// Cost: one future, and the messages of the server.

import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { attachRequest } from './cell.ts';

type CommTarget = (comm: Kernel.IComm, message: KernelMessage.ICommOpenMsg) => void | PromiseLike<void>;

/** JupyterLab offers no way to ask which targets are registered. Without this member nothing is restored. */
interface WithTargets {
  _targetRegistry?: Record<string, CommTarget | undefined>;
}

/** The renderer of ipywidgets. What it could not show, because there was no such widget, it keeps for a later try. */
interface WidgetRenderer {
  mimeType?: string;
  renderModel?: (model: object) => Promise<void>;
  _rerenderMimeModel?: object | null;
}

const TARGET = 'jupyter.widget';
const VIEW = 'application/vnd.jupyter.widget-view+json';

export class Widgets {
  readonly #kernel: Kernel.IKernelConnection;
  readonly #cells: () => CodeCell[];
  #future: Kernel.IShellFuture | null = null;
  #asked = 0;

  /** `cells` are those of the notebook. */
  constructor(kernel: Kernel.IKernelConnection, cells: () => CodeCell[]) {
    this.#kernel = kernel;
    this.#cells = cells;
  }

  /** Registers a request for the widgets, and returns its id. The server must get it with the executions that it attaches.
   * Undefined: this page has no widget manager, or another connection of the page has it.
   * `knows`: whether the page waits for the answers to a request. Without it all requests of others are known already. */
  ask(knows?: (id: string) => boolean): string | undefined {
    const target = this.#kernel.handleComms ? (this.#kernel as WithTargets)._targetRegistry?.[TARGET] : undefined;
    if (!target || this.#kernel.status === 'dead') return undefined;
    this.cancel();
    this.#asked += 1;
    const id = `${this.#kernel.clientId}_widgets_${this.#asked}`;
    const future = this.#kernel.sendShellMessage(attachRequest(this.#kernel, id), false, false);
    this.#future = future;
    future.onIOPub = message => this.#take(message, target, knows);
    return id;
  }

  /** No answer comes. */
  cancel(): void {
    this.#future?.dispose();
    this.#future = null;
  }

  async #take(message: KernelMessage.IIOPubMessage, target: CommTarget, knows?: (id: string) => boolean): Promise<void> {
    switch (message.header.msg_type as string) {
      case 'kernelws_comm_open':
        await this.#open(message as unknown as KernelMessage.ICommOpenMsg, target);
        break;
      case 'kernelws_widgets':
        if (knows) this.#await((message.content as unknown as { captures: string[] }).captures.filter(id => !knows(id)));
        for (const cell of this.#cells()) showIn(cell);
        break;
      case 'kernelws_widgets_end':
        this.cancel();
    }
  }

  async #open(message: KernelMessage.ICommOpenMsg, target: CommTarget): Promise<void> {
    const { comm_id, target_name } = message.content;
    if (this.#kernel.hasComm(comm_id)) return;
    const comm = this.#kernel.createComm(target_name, comm_id);
    try {
      await target(comm, message);
    } catch {
      // The manager has said why. Without `close`, which would tell the kernel
      comm.dispose();
    }
  }

  /** Output widgets capture the output of these requests. They can do this only where a future waits for it. */
  #await(requests: string[]): void {
    for (const id of requests) this.#kernel.sendShellMessage(attachRequest(this.#kernel, id), false, true);
  }
}

/** Resolves when a widget manager has registered its target, if the page has one: ipywidgets does it when the session is ready. */
export async function managerReady({ sessionContext }: NotebookPanel): Promise<void> {
  await sessionContext.ready.catch(() => undefined);
  await new Promise(resolve => setTimeout(resolve));
}

/** Shows the widgets in outputs that were rendered before the widgets were there. */
function showIn(cell: CodeCell): void {
  for (const output of cell.outputArea.widgets) {
    for (const child of output.children()) {
      const renderer = child as WidgetRenderer;
      const waiting = renderer.mimeType === VIEW ? renderer._rerenderMimeModel : null;
      if (waiting) void renderer.renderModel?.(waiting);
    }
  }
}
