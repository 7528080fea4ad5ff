// One kernel: its figures and the table of its sessions. Must not fetch anything.

import { element, setData, setText, show } from "./dom.js";
import * as format from "./format.js";
import { Plot } from "./plot.js";
import { COLUMNS } from "./session.js";

// Seconds for which a restarted kernel needs a look.
const RECENT = 300;

export class Kernel {
  constructor(id, { points, every }) {
    this.plot = new Plot(points, every, "messages a second from the kernel");
    this.sessions = new Set();
    this.notebooks = [];
    this.visible = false;
    this.opened = false;
    const heading = `kernel-${id}`;
    this.texts = {
      title: element("h3", { id: heading }),
      state: element("span", { class: "state" }),
      rate: element("span"),
      notebooks: element("p", { class: "notebooks" }),
      heard: element("p", { class: "faint" }),
      open: element("p"),
      restarts: element("p"),
      death: element("p", { class: "trouble" }),
      behind: element("p", { class: "trouble" }),
      lost: element("p", { class: "trouble" }),
      error: element("p", { class: "trouble" }),
      none: element("p", { class: "faint" }, "No session."),
    };
    const { title, state, rate, ...notes } = this.texts;
    const header = element("header", {}, title, state, rate, this.plot.node);
    this.rows = element("tbody", { role: "rowgroup" });
    this.closed = element("tbody", { role: "rowgroup", id: `closed-${id}`, hidden: "" });
    this.toggle = this.closedLine(`closed-${id}`);
    this.table = this.scroll(heading);
    const noted = element("div", { class: "notes" }, ...Object.values(notes));
    this.node = element("article", { class: "kernel", "aria-labelledby": heading }, header, noted, this.table);
  }

  scroll(heading) {
    const heads = Object.entries(COLUMNS);
    const titles = heads.map(([title, name]) => element("th", { class: name, scope: "col", role: "columnheader" }, title));
    const head = element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...titles));
    const caption = element("caption", { class: "unseen" }, "Sessions of this kernel");
    const table = element("table", { role: "table", "aria-labelledby": heading }, caption, head, this.rows, this.toggle, this.closed);
    // A region that scrolls must be reachable by keyboard.
    return element("div", { class: "scroll", role: "region", "aria-labelledby": heading, tabindex: 0 }, table);
  }

  // One row with a button that shows the sessions whose page was closed.
  closedLine(controls) {
    const options = { type: "button", "aria-expanded": "false", "aria-controls": controls };
    this.button = element("button", options);
    this.button.addEventListener("click", () => {
      this.opened = !this.opened;
      this.showClosed();
    });
    const cell = element("td", { colspan: Object.keys(COLUMNS).length, role: "cell", class: "closed" }, this.button);
    return element("tbody", { role: "rowgroup", hidden: "" }, element("tr", { role: "row" }, cell));
  }

  // Shows the notebooks that use the kernel.
  showNotebooks(notebooks) {
    const json = JSON.stringify(notebooks);
    if (json === this.notebooksJson) return;
    this.notebooksJson = json;
    this.notebooks = notebooks;
    const nodes = notebooks.map(({ text, href }) => {
      const node = href ? element("a", { href, target: "_blank", rel: "noreferrer" }) : element("span");
      setText(node, text);
      return element("span", { class: "notebook" }, node);
    });
    this.texts.notebooks.replaceChildren(...nodes);
  }

  add(session) {
    this.sessions.add(session);
    this.place(session);
  }

  // Puts the session's row among the others, or with those whose page was closed.
  place(session) {
    const rows = session.row.closed ? this.closed : this.rows;
    if (session.node.parentNode !== rows) rows.append(session.node);
    this.showClosed();
  }

  showClosed(wanted = false) {
    const number = this.closed.childElementCount;
    const opened = this.opened || wanted;
    show(this.toggle, number > 0);
    show(this.closed, number > 0 && opened);
    setText(this.button, `${format.counted(number, "session")} whose page was closed`);
    this.button.setAttribute("aria-expanded", String(opened));
  }

  remove(session) {
    this.sessions.delete(session);
    session.node.remove();
    this.showClosed();
  }

  get notable() {
    const { state, behind, lost, error } = this.row;
    return state === "dead" || state === "unresponsive" || behind !== null || lost > 0 || error !== "" || this.restartedLately();
  }

  restartedLately() {
    return this.row.restarted !== null && this.now - this.row.restarted < RECENT;
  }

  matches(words) {
    const named = this.notebooks.some(({ text }) => text.toLowerCase().includes(words));
    return named || this.row.id.includes(words) || this.row.name.toLowerCase().includes(words);
  }

  update(row, now) {
    this.row = row;
    this.now = now;
    setText(this.texts.title, `${row.name || "kernel"} ${row.id.slice(0, 8)}`);
    setText(this.texts.state, row.state);
    setData(this.texts.state, "state", row.state);
    setText(this.texts.rate, format.rate(row.rate, row.bytes));
    setText(this.texts.heard, row.heard ? "" : "No message yet: no client has connected, or the kernel is starting.");
    const lost = `${format.counted(row.lost, "message")} were probably lost before they reached this server.`;
    setText(this.texts.lost, row.lost ? lost : "");
    this.tick(now);
  }

  tick(now) {
    this.now = now;
    const { restarts, restarted, died, death, behind, error, trait, at, times } = this.row;
    const ago = restarts ? `Restarted ${format.span(now - restarted)} ago${format.times(restarts)}.` : "";
    setText(this.texts.restarts, ago);
    setText(this.texts.death, death ? `The kernel ${death}, ${format.span(now - died)} ago.` : "");
    setText(this.texts.open, this.executions(now));
    const late = behind !== null && now - behind >= 1;
    setText(this.texts.behind, late ? `Sends faster than it is read, for ${format.span(now - behind)}.` : "");
    const about = trait ? ` See ${format.trait(trait)}.` : "";
    setText(this.texts.error, error ? `${error}${format.times(times)}, ${format.span(now - at)} ago.${about}` : "");
    show(this.texts.none, this.sessions.size === 0);
    show(this.table, this.sessions.size > 0);
  }

  // "1 execution runs, for 12 s; 3 are queued."
  executions(now) {
    const [queued, runs, input] = this.row.open;
    const { running } = this.row;
    const since = running === null ? "" : `, for ${format.span(now - running)}`;
    const parts = [
      runs ? `${format.counted(runs, "execution")} running${since}` : "",
      input ? `${format.counted(input, "execution")} waiting for input${runs ? "" : since}` : "",
      queued ? `${format.count(queued)} queued` : "",
    ].filter((part) => part !== "");
    return parts.length ? `${parts.join("; ")}.` : "";
  }

  // Shows the sessions that match the filter; returns their number.
  filter(words, notable) {
    const all = (!notable || this.notable) && this.matches(words);
    let shown = 0;
    let found = false;
    for (const session of this.sessions) {
      const named = this.matches(words) || session.matches(words);
      const passes = all || (named && (!notable || session.notable));
      show(session.node, passes);
      shown += passes;
      found ||= passes && words !== "" && session.row.closed && session.matches(words);
    }
    this.showClosed(found);
    show(this.node, all || shown > 0);
    return shown;
  }
}
