// Drops what the server repeats after a cut, so that nothing is shown twice. Covers output, replies and prompts of a future.
//
// Must not drop the status of a kernel: JupyterLab handles it elsewhere. Cost: one look-up a message.

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { Repeats } from './repeats.ts';

type Message = KernelMessage.IShellMessage;

/** The future must have its handlers already. */
export function filterRepeats<Request extends Message, Reply extends Message>(
  kernel: Kernel.IKernelConnection,
  future: Kernel.IShellFuture<Request, Reply>
): void {
  const repeats = new Repeats();
  const { onReply, onStdin } = future;
  let prompted = false;
  kernel.registerMessageHook(future.msg.header.msg_id, message => {
    if (repeats.isRepeat(message.header)) return false;
    // Another page has answered the prompt, and the server sends the output anew. JupyterLab runs no cell while a prompt is open
    if (prompted && (message.header.msg_type as string) === 'clear_output') prompted = kernel.hasPendingInput = false;
    return true;
  });
  future.onReply = reply => (repeats.isRepeat(reply.header) ? undefined : onReply(reply));
  future.onStdin = prompt => {
    if (repeats.isRepeat(prompt.header)) return undefined;
    prompted = true;
    return onStdin(prompt);
  };
}
