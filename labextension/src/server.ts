// Requests to kernelws's routes of executions and sessions, for one kernel connection; and to the sessions of jupyter_server.
//
// Must not interpret what the server says. An error of the server or the network is returned as null, because each caller can do
// without an answer. Cost: one request a call.

import { URLExt } from '@jupyterlab/coreutils';
import { type Kernel, ServerConnection, type Session } from '@jupyterlab/services';
import type { Execution } from './choose.ts';
import type { SessionFacts } from './words.ts';

/** How many widgets the page gets, and how many it does not get because of a limit, or because their state is not known. */
export interface WidgetCounts {
  replayed: number;
  evicted: number;
  unknown: number;
}

/** What `attach` returns. `widgets` is null if the page gets none. */
export interface Attached {
  executions: Set<string>;
  widgets: WidgetCounts | null;
}

export class Server {
  readonly #kernel: Kernel.IKernelConnection;

  constructor(kernel: Kernel.IKernelConnection) {
    this.#kernel = kernel;
  }

  /** All executions that are kept, the newest first. Null: the request failed, or the server keeps none of this kernel. */
  async executions(): Promise<Execution[] | null> {
    const found = (await this.#ask('GET', 'executions')) as { executions: Execution[] } | null;
    return found?.executions ?? null;
  }

  /** Makes the server send the page all that these executions have published and will publish, and the widgets as answers to
   * the request `widgets`. Returns the ids that it knows, and the number of the widgets. */
  async attach(ids: string[], widgets?: string): Promise<Attached> {
    const body = { session_id: this.#kernel.clientId, msg_ids: ids, widgets };
    const found = (await this.#ask('POST', 'executions/attach', body)) as { attached: string[]; widgets?: WidgetCounts } | null;
    return { executions: new Set(found?.attached ?? []), widgets: found?.widgets ?? null };
  }

  /** Says that the file holds what these executions have published. */
  async saved(ids: string[]): Promise<void> {
    await this.#ask('POST', 'executions/saved', { ids });
  }

  /** What the server knows of the page's connection. */
  async session(): Promise<SessionFacts | null> {
    return (await this.#ask('GET', this.#session())) as SessionFacts | null;
  }

  /** Cuts the text that waits for the page to its beginning and its end. */
  async skip(): Promise<void> {
    await this.#ask('POST', `${this.#session()}/skip`, {});
  }

  /** Says that the page has this extension: a restart by another client is then no reason for JupyterLab's dialog. */
  async announce(): Promise<void> {
    await this.#ask('POST', `${this.#session()}/extension`, {});
  }

  #session(): string {
    return `sessions/${encodeURIComponent(this.#kernel.clientId)}`;
  }

  /** Whether one notebook at most uses the kernel. If the request failed, there may be several. */
  async isAlone(): Promise<boolean> {
    // Not the list of JupyterLab's session manager: it asks for a new one only in the next frame
    const found = (await this.#request('GET', 'api/sessions')) as Session.IModel[] | null;
    const ours = found?.filter(({ kernel, type }) => kernel?.id === this.#kernel.id && type === 'notebook');
    return ours !== undefined && new Set(ours.map(({ path }) => path)).size <= 1;
  }

  #ask(method: string, path: string, body?: object): Promise<unknown> {
    return this.#request(method, URLExt.join('kernelws/api/kernels', encodeURIComponent(this.#kernel.id), path), body);
  }

  async #request(method: string, path: string, body?: object): Promise<unknown> {
    const settings = this.#kernel.serverSettings;
    const url = URLExt.join(settings.baseUrl, path);
    try {
      const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
      const response = await ServerConnection.makeRequest(url, init, settings);
      const text = response.ok ? await response.text() : '';
      return text === '' ? null : (JSON.parse(text) as unknown);
    } catch {
      return null;
    }
  }
}
