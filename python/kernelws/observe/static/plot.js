// A small plot of a rate over the last minutes: one SVG polyline, scaled to its highest point. A label for screen readers has
// the highest and the last value.

import * as format from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 26;

export class Plot {
  // `points` are oldest first, at most `length`, `every` seconds apart; `formatPoint` makes text of one.
  constructor(length, every, what, formatPoint = format.count) {
    Object.assign(this, { points: [], length, every, what, formatPoint });
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
    // A polyline with one point is invisible.
    if (drawn.length === 1) drawn.unshift(drawn[0].replace(/^[^,]+/, (from - step / 2).toFixed(1)));
    this.line.setAttribute("points", drawn.join(" "));
    const minutes = Math.round((this.length * this.every) / 60);
    const last = this.points.length ? this.points[this.points.length - 1] : 0;
    const values = `at most ${this.formatPoint(most)}, last ${this.formatPoint(last)}`;
    this.node.setAttribute("aria-label", `${this.what}, the last ${minutes} minutes: ${values}`);
  }
}
