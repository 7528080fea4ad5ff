// Announces changes of state to screen readers: a few sentences at a time, and seconds apart.

const PAUSE_MS = 5000;
const MOST = 3;

export class Changes {
  constructor(node) {
    Object.assign(this, { node, waiting: [], last: -Infinity });
  }

  add(sentence) {
    this.waiting.push(sentence);
  }

  // Announces the queued sentences, unless the last announcement was less than PAUSE_MS ago.
  flush(now = performance.now()) {
    if (!this.waiting.length || now - this.last < PAUSE_MS) return;
    const more = this.waiting.length - MOST;
    const text = this.waiting.slice(0, MOST).join(" ");
    this.node.textContent = more > 0 ? `${text} And ${more} more changes.` : text;
    this.waiting = [];
    this.last = now;
  }
}
