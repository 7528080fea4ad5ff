// A small plot of a rate over the last minutes, with the same in words for those who do not see it.
// Drawn as one SVG polyline, and only when there is a new point. Scaled to its own highest point, which the words name.

import * as format from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 26;

export class Plot {
  // `points` are oldest first, at most `length` of them, `every` seconds apart; `say` makes words of one.
  constructor(length, every, what, say = format.count) {
    Object.assign(this, { points: [], length, every, what, say });
    this.node = document.createElementNS(SVG, "svg");
    this.node.setAttribute("class", "plot");
    this.node.setAttribute("role", "img");
    this.node.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.node.setAttribute("preserveAspectRatio", "none");
    const base = this.node.appendChild(document.createElementNS(SVG, "line"));
    for (const [name, value] of Object.entries({ x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 })) {
      base.setAttribute(name, value);
    }
    this.line = this.node.appendChild(document.createElementNS(SVG, "polyline"));
    this.draw();
  }

  push(point) {
    this.points.push(point);
    if (this.points.length > this.length) this.points.shift();
  }

  draw() {
    const most = Math.max(...this.points, 0);
    const step = WIDTH / (this.length - 1);
    const from = WIDTH - step * (this.points.length - 1);
    const at = (point, index) => {
      const y = HEIGHT - 2 - (most > 0 ? (point / most) * (HEIGHT - 4) : 0);
      return `${(from + index * step).toFixed(1)},${y.toFixed(1)}`;
    };
    const drawn = this.points.map(at);
    // A line of one point would not be seen.
    if (drawn.length === 1) drawn.unshift(drawn[0].replace(/^[^,]+/, (from - step / 2).toFixed(1)));
    this.line.setAttribute("points", drawn.join(" "));
    const minutes = Math.round((this.length * this.every) / 60);
    const last = this.points.length ? this.points[this.points.length - 1] : 0;
    const words = `${this.what}, the last ${minutes} minutes: at most ${this.say(most)}, last ${this.say(last)}`;
    this.node.setAttribute("aria-label", words);
  }
}
