// Says whether this extension must do nothing on a page, and why. Pure but for the page's configuration.
//
// Must not ask the server: a request that fails is an error in the browser's console. Cost: nothing.

import { PageConfig } from '@jupyterlab/coreutils';

/** The plugin that sends cells to the kernel over the WebSocket. Extensions that run cells over HTTP disable it. */
const EXECUTOR = '@jupyterlab/notebook-extension:cell-executor';

/** Why nothing works on this page; null if it does. */
export function pageReason(): string | null {
  if (PageConfig.getOption('kernelwsExecutions') !== 'true') {
    return 'this server keeps no executions: kernelws is not active there, or executions are off';
  }
  if (PageConfig.Extension.isDisabled(EXECUTOR)) return 'another extension runs the cells of this page, as real-time collaboration does';
  return null;
}

/** Says each thing once in the console. */
export class Console {
  readonly #said = new Set<string>();

  say(reason: string): void {
    if (this.#said.has(reason)) return;
    this.#said.add(reason);
    console.info(`kernelws: ${reason}.`);
  }
}
