// Requests to kernelws's routes of executions and sessions, for one kernel connection.
//
// Must not interpret what the server says. An error of the server or the network is returned as null, because each caller can do
// without an answer. Cost: one request a call.

import { URLExt } from '@jupyterlab/coreutils';
import { type Kernel, ServerConnection } from '@jupyterlab/services';
import type { Execution } from './choose.ts';
import type { SessionFacts } from './words.ts';

export class Server {
  readonly #kernel: Kernel.IKernelConnection;

  constructor(kernel: Kernel.IKernelConnection) {
    this.#kernel = kernel;
  }

  /** All executions that are kept, the newest first. Null: the request failed, or the server keeps none of this kernel. */
  async executions(): Promise<Execution[] | null> {
    const found = (await this.#request('GET', 'executions')) as { executions: Execution[] } | null;
    return found?.executions ?? null;
  }

  /** Makes the server send the page all that these executions have published and will publish. Returns the ids that it knows. */
  async attach(ids: string[]): Promise<Set<string>> {
    const body = { session_id: this.#kernel.clientId, msg_ids: ids };
    const found = (await this.#request('POST', 'executions/attach', body)) as { attached: string[] } | null;
    return new Set(found?.attached ?? []);
  }

  /** Says that the file holds what these executions have published. */
  async saved(ids: string[]): Promise<void> {
    await this.#request('POST', 'executions/saved', { ids });
  }

  /** What the server knows of the page's connection. */
  async session(): Promise<SessionFacts | null> {
    return (await this.#request('GET', this.#session())) as SessionFacts | null;
  }

  /** Cuts the text that waits for the page to its beginning and its end. */
  async skip(): Promise<void> {
    await this.#request('POST', `${this.#session()}/skip`, {});
  }

  /** Says that the page has this extension: a restart by another client is then no reason for JupyterLab's dialog. */
  async announce(): Promise<void> {
    await this.#request('POST', `${this.#session()}/extension`, {});
  }

  #session(): string {
    return `sessions/${encodeURIComponent(this.#kernel.clientId)}`;
  }

  async #request(method: string, path: string, body?: object): Promise<unknown> {
    const settings = this.#kernel.serverSettings;
    const url = URLExt.join(settings.baseUrl, 'kernelws/api/kernels', encodeURIComponent(this.#kernel.id), path);
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
