// Tells changes of state to those who listen instead of looking: few sentences, never more often than every few seconds.

const PAUSE_MS = 5000;
const MOST = 3;

export class Changes {
  constructor(node) {
    Object.assign(this, { node, waiting: [], last: -Infinity });
  }

  add(sentence) {
    this.waiting.push(sentence);
  }

  // Called now and then; says what waits when the pause is over.
  flush(now = performance.now()) {
    if (!this.waiting.length || now - this.last < PAUSE_MS) return;
    const more = this.waiting.length - MOST;
    const told = this.waiting.slice(0, MOST).join(" ");
    this.node.textContent = more > 0 ? `${told} And ${more} more changes.` : told;
    this.waiting = [];
    this.last = now;
  }
}
