// One session: a row of its kernel's table. Must not fetch anything.

import { element, setData, setText, show } from "./dom.js";
import * as format from "./format.js";
import { Plot } from "./plot.js";

// Title of a column -> class of its cells.
export const COLUMNS = {
  Session: "name",
  State: "state",
  "Written to the client": "rate",
  "Waits in the outbox": "outbox",
  "Not acknowledged": "unacknowledged",
  Ping: "ping",
  "So far": "sums",
  "Last error": "error",
};
const BOUNDS = ["text", "memory", "disk", "unacknowledged"];


export class Session {
  constructor({ points, every }) {
    this.plot = new Plot(points, every, "messages a second to the client");
    this.cells = {};
    const cells = Object.entries(COLUMNS).map(([label, name]) => this.cell(label, name));
    this.node = element("tr", { role: "row" }, ...cells);
    this.texts = {
      name: this.add("name", element("code")),
      protocol: this.add("name", element("span", { class: "why" })),
      state: this.add("state", element("span", { class: "state" })),
      about: this.add("state", element("span", { class: "why" })),
      rate: this.add("rate", element("span")),
      incoming: this.add("rate", element("span", { class: "why" })),
      waiting: this.add("outbox", element("span")),
      ping: this.add("ping", element("span")),
      sums: this.add("sums", element("span")),
      error: this.add("error", element("span")),
      trait: this.add("error", element("span", { class: "why" })),
    };
    this.cells.rate.append(this.plot.node);
    this.bounds = {
      text: this.meter("outbox", "text"),
      memory: this.meter("outbox", "memory"),
      disk: this.meter("outbox", "disk"),
      unacknowledged: this.meter("unacknowledged", ""),
    };
  }

  cell(label, name) {
    const heading = name === "name";
    const role = heading ? "rowheader" : "cell";
    const node = element(heading ? "th" : "td", { class: name, role, "data-label": label });
    if (heading) node.setAttribute("scope", "row");
    this.cells[name] = node;
    return node;
  }

  add(name, node) {
    this.cells[name].append(node);
    return node;
  }

  meter(name, what) {
    const bar = element("meter", { min: 0, "aria-hidden": "true" });
    const text = element("span");
    const node = this.add(name, element("span", { class: "bound" }, bar, " ", text));
    return { what, bar, text, node };
  }

  get notable() {
    return (this.row.state !== "connected" && !this.row.closed) || this.row.error !== "";
  }

  matches(words) {
    return this.row.name.toLowerCase().includes(words);
  }

  // Shows a row of the server's answer; `now` is on the server's clock.
  update(row, now) {
    this.row = row;
    setText(this.texts.name, row.name);
    setText(this.texts.protocol, row.protocol);
    setText(this.texts.rate, format.rate(row.rate, row.bytes));
    const differs = row.incoming > row.rate * 1.1 + 1;
    setText(this.texts.incoming, differs ? `${format.count(row.incoming)} messages/s come from the kernel` : "");
    setText(this.texts.waiting, row.waiting ? format.counted(row.waiting, "message") : "nothing");
    const unanswered = row.state === "detached" ? "–" : "none answered yet";
    setText(this.texts.ping, row.ping === null ? unanswered : format.milliseconds(row.ping));
    setText(this.texts.sums, this.sums());
    BOUNDS.forEach((name, index) => this.fill(this.bounds[name], row[name], row.bounds[index]));
    this.tick(now);
  }

  sums() {
    const { merged, left_out: leftOut, resumes, repeats } = this.row;
    const parts = [
      merged && `${format.count(merged)} merged`,
      leftOut && `${format.count(leftOut)} left out`,
      resumes && format.counted(resumes, "resume"),
      repeats && `${format.count(repeats)} repeated`,
    ];
    return parts.filter(Boolean).join(", ") || "–";
  }

  fill({ what, bar, text, node }, value, bound) {
    const always = what === "memory" || what === "";
    show(node, always || value > 0);
    if (!always && !value) return;
    show(bar, bound > 0);
    if (bound > 0) {
      if (bar.max !== bound) bar.max = bound;
      if (bar.value !== value) bar.value = value;
    }
    const of = bound > 0 ? `${format.bytes(value)} of ${format.bytes(bound)}` : format.bytes(value);
    setText(text, what ? `${of} ${what === "disk" ? "on disk" : what === "memory" ? "in memory" : "of text"}` : of);
  }

  // Updates the texts that change with time alone.
  tick(now) {
    const { state, since, about, state_trait: trait, error, at, times } = this.row;
    setData(this.texts.state, "state", state);
    const long = state === "connected" ? "" : ` for ${format.span(now - since)}`;
    setText(this.texts.state, state + long);
    setText(this.texts.about, about ? `${about}: ${format.trait(trait)}` : "");
    const ago = error ? `${error}${format.times(times)}, ${format.span(now - at)} ago` : "–";
    setText(this.texts.error, ago);
    setText(this.texts.trait, this.row.trait ? `see ${format.trait(this.row.trait)}` : "");
    this.cells.error.classList.toggle("trouble", error !== "");
  }
}
