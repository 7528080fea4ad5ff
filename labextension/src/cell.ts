// Shows an execution in its cell: registers a future under the old msg_id, and shows `[*]` and at the end the execution count.
//
// The server then sends `clear_output` and all that the execution has published. If there is output, `clear_output` waits for it:
// the outputs of the file stay until then, so the cell never flickers. Must not run code: no `execute_request` is sent.
// Cost: one future a cell, and one copy of its outputs.

import type { CodeCell, ICodeCellModel } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import { type Kernel, KernelMessage } from '@jupyterlab/services';
import type { Execution } from './choose.ts';
import { filterRepeats } from './filter.ts';
import { sameOutputs } from './same.ts';

/** The type that an output area takes. The request of our future has another type, but nothing reads the request. */
type Future = Kernel.IShellFuture<KernelMessage.IExecuteRequestMsg, KernelMessage.IExecuteReplyMsg>;

/** The server drops a shell message of this type, so the kernel never gets it. */
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
    // Output of the kernel is trusted, as if the cell had just been run. Must be set before there is output
    cell.model.trusted = true;
    cell.outputArea.future = future;
    // Outputs of an untrusted file are left out, because they would become trusted
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

  /** Shows the cell as it was: the server does not have the execution. */
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

/** A request that registers a future under this id. The server does not send it on. */
export function attachRequest(kernel: Kernel.IKernelConnection, id: string): KernelMessage.IShellMessage {
  const { clientId: session, username } = kernel;
  const content = { code: '' };
  const request = KernelMessage.createMessage({ msgType: 'execute_request', channel: 'shell', content, msgId: id, session, username });
  // The types of JupyterLab do not include ours
  Object.assign(request.header, { msg_type: MSG_TYPE });
  return Object.assign(request, { content: {} });
}

/** Shows `[*]` in the prompt. From JupyterLab 4.3 on the model has the state; before that, only the prompt has. */
function setRunning(cell: CodeCell, running: boolean): void {
  const model: Partial<Pick<ICodeCellModel, 'executionState'>> = cell.model;
  if ('executionState' in model) model.executionState = running ? 'running' : 'idle';
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- JupyterLab before 4.3 has nothing else
  else cell.setPrompt(running ? '*' : String(cell.model.executionCount ?? ''));
}
