// One kernel: its own figures and the table of its sessions. Must not fetch anything.

import { element, setData, setText, show } from "./dom.js";
import * as format from "./format.js";
import { Plot } from "./plot.js";
import { COLUMNS } from "./session.js";

// A restart is pointed out for so many seconds.
const RECENT = 300;

export class Kernel {
  constructor(id, points, shape) {
    this.plot = new Plot(points, shape.points, shape.every, "messages a second from the kernel");
    this.sessions = new Set();
    this.visible = false;
    const heading = `kernel-${id}`;
    this.texts = {
      title: element("h3", { id: heading }),
      state: element("span", { class: "state" }),
      rate: element("span"),
      heard: element("p", { class: "faint" }),
      restarts: element("p"),
      behind: element("p", { class: "trouble" }),
      lost: element("p", { class: "trouble" }),
      error: element("p", { class: "trouble" }),
      none: element("p", { class: "faint" }, "No session."),
    };
    const { title, state, rate, ...notes } = this.texts;
    const header = element("header", {}, title, state, rate, this.plot.node);
    this.rows = element("tbody", { role: "rowgroup" });
    this.table = this.scroll(heading);
    const noted = element("div", { class: "notes" }, ...Object.values(notes));
    this.node = element("article", { class: "kernel", "aria-labelledby": heading }, header, noted, this.table);
  }

  scroll(heading) {
    const heads = Object.entries(COLUMNS);
    const titles = heads.map(([title, name]) => element("th", { class: name, scope: "col", role: "columnheader" }, title));
    const head = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...titles));
    const caption = element("caption", { class: "unseen" }, "Sessions of this kernel");
    const table = element("table", { role: "table", "aria-labelledby": heading }, caption, head, this.rows);
    // A region that scrolls must be reachable by keyboard.
    return element("div", { class: "scroll", role: "region", "aria-labelledby": heading, tabindex: 0 }, table);
  }

  add(session) {
    this.sessions.add(session);
    this.rows.append(session.node);
  }

  remove(session) {
    this.sessions.delete(session);
    session.node.remove();
  }

  get notable() {
    const { state, behind, lost, error } = this.row;
    return state === "dead" || behind !== null || lost > 0 || error !== "" || this.restartedLately();
  }

  restartedLately() {
    return this.row.restarted !== null && this.now - this.row.restarted < RECENT;
  }

  matches(words) {
    return this.row.id.includes(words) || this.row.name.toLowerCase().includes(words);
  }

  update(row, now) {
    this.row = row;
    this.now = now;
    setText(this.texts.title, `${row.name || "kernel"} ${row.id.slice(0, 8)}`);
    setText(this.texts.state, row.state);
    setData(this.texts.state, "state", row.state);
    setText(this.texts.rate, format.rate(row.rate, row.bytes));
    setText(this.texts.heard, row.heard ? "" : "Not heard yet: no client has connected, or the kernel is starting.");
    const lost = `${format.counted(row.lost, "message")} were probably lost before they reached this server.`;
    setText(this.texts.lost, row.lost ? lost : "");
    this.tick(now);
  }

  tick(now) {
    this.now = now;
    const { restarts, restarted, behind, error, trait, at, times } = this.row;
    const ago = restarts ? `Restarted ${format.span(now - restarted)} ago${format.times(restarts)}.` : "";
    setText(this.texts.restarts, ago);
    const late = behind !== null && now - behind >= 1;
    setText(this.texts.behind, late ? `Sends faster than it is read, for ${format.span(now - behind)}.` : "");
    const about = trait ? ` See ${format.trait(trait)}.` : "";
    setText(this.texts.error, error ? `${error}${format.times(times)}, ${format.span(now - at)} ago.${about}` : "");
    show(this.texts.none, this.sessions.size === 0);
    show(this.table, this.sessions.size > 0);
  }

  // Shows what a filter lets through; returns how many sessions that are.
  filter(words, notable) {
    const all = (!notable || this.notable) && this.matches(words);
    let shown = 0;
    for (const session of this.sessions) {
      const named = this.matches(words) || session.matches(words);
      const passes = all || (named && (!notable || session.notable));
      show(session.node, passes);
      shown += passes;
    }
    show(this.node, all || shown > 0);
    return shown;
  }
}
