// Tells the user that another client has restarted the kernel, without JupyterLab's "appears to have died".
//
// The server sends `kernelws_restarted` to a page that has announced this extension, instead of the status `restarting`, at which
// JupyterLab opens its dialog. The rest is as in JupyterLab: the futures of requests to the old process are disposed, and the
// page reconnects. Must not restart anything. Cost: one comparison a message of IOPub.

import { Notification } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import type { Kernel } from '@jupyterlab/services';

const MSG_TYPE = 'kernelws_restarted';

/** `cells` are those of the notebook, `name` is its name. */
export function followRestarts(kernel: Kernel.IKernelConnection, name: () => string, cells: () => CodeCell[]): void {
  kernel.iopubMessage.connect((_, { header }) => {
    if ((header.msg_type as string) !== MSG_TYPE) return;
    for (const { outputArea } of cells()) (outputArea.future as Kernel.IShellFuture | undefined)?.dispose();
    kernel.hasPendingInput = false;
    Notification.warning(`The kernel of ${name()} was restarted by another page or program. Its variables are gone.`, {
      autoClose: 10_000
    });
    void kernel.reconnect().catch(() => undefined);
  });
}
