// Shows an execution in its cell: registers a future under the old msg_id, and takes the cell through running to its count.
//
// The server then sends `clear_output`, which waits for the first output if there is one, and all that the execution has published.
// The outputs of the file stay until then, so no frame is empty. Must not run code: no `execute_request` is sent.
// Cost: one future a cell, and one copy of its outputs.

import type { CodeCell, ICodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { type Kernel, KernelMessage } from '@jupyterlab/services';
import type { Execution } from './choose.ts';
import { filterRepeats } from './filter.ts';
import { sameOutputs } from './same.ts';

/** What an output area takes: the future of a cell that was run. Only the request differs, and nothing reads it. */
type Future = Kernel.IShellFuture<KernelMessage.IExecuteRequestMsg, KernelMessage.IExecuteReplyMsg>;

/** The server drops a shell message of this type. */
const MSG_TYPE = 'kernelws_attach_request';

export class RestoredCell {
  readonly execution: Execution;
  readonly cellId: string;
  /** Resolves to true once the execution is over, and to false if it was given up. Never rejects. */
  readonly over: Promise<boolean>;
  readonly #cell: CodeCell;
  readonly #future: Future;
  readonly #before: IOutput[];
  readonly #countBefore: number | null;
  readonly #wasTrusted: boolean;

  constructor(cell: CodeCell, kernel: Kernel.IKernelConnection, execution: Execution) {
    this.execution = execution;
    this.cellId = cell.model.id;
    this.#cell = cell;
    this.#before = cell.model.outputs.toJSON();
    this.#countBefore = cell.model.executionCount;
    const future = kernel.sendShellMessage(attachRequest(kernel, execution.id), true, false) as Future;
    this.#future = future;
    this.#wasTrusted = cell.model.trusted;
    // Before there are outputs: what the kernel sends is trusted, as if the cell had just been run
    cell.model.trusted = true;
    cell.outputArea.future = future;
    // What an untrusted file holds must not become trusted with it
    if (this.#wasTrusted) cell.model.outputs.fromJSON(this.#before);
    filterRepeats(kernel, future);
    cell.model.executionCount = null;
    setRunning(cell, true);
    this.over = future.done.then(
      reply => {
        this.#end(reply);
        return true;
      },
      () => {
        if (this.#isOurs()) setRunning(cell, false);
        return false;
      }
    );
  }

  /** Whether the cell shows what it showed before. */
  get isUnchanged(): boolean {
    const { model } = this.#cell;
    return this.#isOurs() && model.executionCount === this.#countBefore && sameOutputs(model.outputs.toJSON(), this.#before);
  }

  /** The server has not taken the execution: the cell is as it was. */
  undo(): void {
    if (!this.#isOurs()) return;
    this.#future.dispose();
    this.#cell.model.trusted = this.#wasTrusted;
    this.#cell.model.outputs.fromJSON(this.#before);
    setRunning(this.#cell, false);
    this.#cell.model.executionCount = this.#countBefore;
  }

  #end(reply: KernelMessage.IExecuteReplyMsg): void {
    if (!this.#isOurs()) return;
    const { execution_count } = reply.content as { execution_count?: number | null };
    // A count that is not null ends `running` in the model, so it is set first
    this.#cell.model.executionCount = execution_count ?? null;
    setRunning(this.#cell, false);
  }

  #isOurs(): boolean {
    return !this.#cell.isDisposed && this.#cell.outputArea.future === this.#future;
  }
}

function attachRequest(kernel: Kernel.IKernelConnection, id: string): KernelMessage.IShellMessage {
  const { clientId: session, username } = kernel;
  const content = { code: '' };
  const request = KernelMessage.createMessage({ msgType: 'execute_request', channel: 'shell', content, msgId: id, session, username });
  // JupyterLab's list of types does not have the server's own
  Object.assign(request.header, { msg_type: MSG_TYPE });
  return Object.assign(request, { content: {} });
}

/** `[*]` in the prompt. The model knows it from JupyterLab 4.3 on; before, the prompt is only shown. */
function setRunning(cell: CodeCell, running: boolean): void {
  const model: Partial<Pick<ICodeCellModel, 'executionState'>> = cell.model;
  if ('executionState' in model) model.executionState = running ? 'running' : 'idle';
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- JupyterLab before 4.3 has nothing else
  else cell.setPrompt(running ? '*' : String(cell.model.executionCount ?? ''));
}
