// The item in the status bar: the round trip, a lost connection, what was caught up, and output that is still arriving.
//
// While the page is visible, asks the server every 30 seconds; every two seconds while the kernel is busy, output waits, or the
// connection was resumed a moment ago. Must not keep a page busy: a hidden one asks nothing. Cost: a small request each period.

import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';
import { Server } from './server.ts';
import { describe, type SessionFacts } from './words.ts';

const QUIET_MS = 30_000;
const BUSY_MS = 2000;
/** How long the indicator says `Resumed`. */
const RESUMED_MS = 10_000;

export class Indicator extends Widget {
  readonly #text = document.createElement('button');
  readonly #skip = document.createElement('button');
  #panel: NotebookPanel | null = null;
  #facts: SessionFacts | null = null;
  #resumedAt = -Infinity;
  #timer = 0;
  #asking = false;

  constructor(open: () => void) {
    super();
    this.addClass('kernelws-Indicator');
    this.addClass('jp-StatusBar-TextItem');
    this.node.style.cssText = 'display: flex; align-items: center;';
    for (const button of [this.#text, this.#skip]) {
      button.type = 'button';
      button.style.cssText = 'background: none; border: 0; color: inherit; font: inherit; padding: 0 4px; cursor: pointer;';
    }
    this.#text.addEventListener('click', open);
    this.#skip.textContent = 'Skip to the end';
    this.#skip.title = 'Leave out the middle of the text that is still arriving';
    this.#skip.addEventListener('click', () => {
      void this.#skipToEnd();
    });
    this.node.append(this.#text, this.#skip);
    document.addEventListener('visibilitychange', this.#refresh);
    this.#draw();
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this.#refresh);
    window.clearTimeout(this.#timer);
    this.#watch(null);
    super.dispose();
  }

  /** Shows the connection of this notebook. */
  follow(panel: NotebookPanel | null): void {
    if (panel === this.#panel) return;
    this.#watch(panel);
    this.#forget();
  }

  #watch(panel: NotebookPanel | null): void {
    const before = this.#panel?.isDisposed ? undefined : this.#panel?.sessionContext;
    before?.connectionStatusChanged.disconnect(this.#refresh);
    before?.statusChanged.disconnect(this.#refresh);
    before?.kernelChanged.disconnect(this.#forget);
    this.#panel = panel;
    panel?.sessionContext.connectionStatusChanged.connect(this.#refresh);
    panel?.sessionContext.statusChanged.connect(this.#refresh);
    panel?.sessionContext.kernelChanged.connect(this.#forget);
  }

  readonly #forget = (): void => {
    this.#facts = null;
    this.#resumedAt = -Infinity;
    this.#refresh();
  };

  readonly #refresh = (): void => {
    this.#draw();
    void this.#ask();
  };

  get #kernel() {
    return this.#panel?.isDisposed ? null : this.#panel?.sessionContext.session?.kernel;
  }

  async #ask(): Promise<void> {
    const kernel = this.#kernel;
    if (this.#asking || this.isDisposed || document.hidden || kernel?.connectionStatus !== 'connected') return;
    window.clearTimeout(this.#timer);
    this.#asking = true;
    const facts = await new Server(kernel).session();
    this.#asking = false;
    if (kernel !== this.#kernel) {
      void this.#ask();
      return;
    }
    if (facts && this.#facts && facts.resumes > this.#facts.resumes) this.#resumedAt = performance.now();
    this.#facts = facts;
    this.#draw();
    const calm = kernel.status === 'idle' && !facts?.waiting.bytes && !this.#resumed;
    this.#timer = window.setTimeout(this.#refresh, calm ? QUIET_MS : BUSY_MS);
  }

  get #resumed(): boolean {
    return performance.now() - this.#resumedAt < RESUMED_MS;
  }

  #draw(): void {
    const kernel = this.#kernel;
    const shown = kernel ? describe(kernel.connectionStatus, this.#facts, this.#resumed) : { text: '', title: '', skip: false };
    this.#text.textContent = shown.text;
    this.#text.title = `${shown.title} Click for the status page.`;
    this.#text.setAttribute('aria-label', `Connection to the kernel: ${shown.text}`);
    this.#skip.hidden = !shown.skip;
    this.setHidden(shown.text === '');
  }

  async #skipToEnd(): Promise<void> {
    const kernel = this.#kernel;
    if (!kernel) return;
    await new Server(kernel).skip();
    this.#refresh();
  }
}
