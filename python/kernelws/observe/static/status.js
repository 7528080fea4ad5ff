// The status page: asks the server once a second what has changed, and shows it.
//
// Nothing is asked while the page is hidden. Kernels outside the window are brought up to date little by little, so that
// hundreds of them cost the browser no more than those that are seen. `seen` is the server's word for what this page has.

import { Changes } from "./changes.js";
import { setText } from "./dom.js";
import * as format from "./format.js";
import { Kernel } from "./kernel.js";
import { Notebooks } from "./notebooks.js";
import { Server } from "./server.js";
import { Session } from "./session.js";

const PERIOD_MS = 1000;
const RETRY_MS = 5000;
const LATE_MS = 3000;
const TIMEOUT_MS = 20000;
const UNSEEN_ROWS = 50;
const URL = `${document.body.dataset.base}/api/status`;

const byId = (id) => document.getElementById(id);
const changes = new Changes(byId("changes"));
const { base, open } = document.body.dataset;
const notebooks = new Notebooks(base.slice(0, base.lastIndexOf("/")), open);
const kernels = new Map();
const sessions = new Map();
const waiting = new Set();
let server = null;
let shape = null;
let seen = "";
let samples = 0;
let drawn = new Set();
let timer = 0;
let asking = false;

const visibility = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) entry.target.kernel.visible = entry.isIntersecting;
  },
  { rootMargin: "200px" },
);

// what the server says

function begin(answer) {
  for (const kernel of kernels.values()) visibility.unobserve(kernel.node);
  kernels.clear();
  sessions.clear();
  waiting.clear();
  byId("kernels").replaceChildren();
  shape = { points: answer.points, every: answer.every, columns: answer.columns, histories: answer.histories };
  server = new Server(byId("server"), answer);
}

function objects(rows, columns) {
  return rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])));
}

function take(answer) {
  if (answer.full) begin(answer);
  const fresh = Boolean(answer.full);
  for (const name of answer.gone) forget(name);
  for (const row of objects(answer.kernels, shape.columns.kernels)) takeKernel(row, answer.now, fresh);
  for (const row of objects(answer.sessions, shape.columns.sessions)) takeSession(row, answer.now, fresh);
  if (!fresh && answer.samples > samples) addPoints(answer.server);
  samples = answer.samples;
  seen = answer.seen;
  server.update(answer.server, kernels.size);
  drawRows(answer.now);
  applyFilter();
  tell("Live, once a second.", false);
}

function takeKernel(row, now, fresh) {
  let kernel = kernels.get(row.id);
  if (!kernel) {
    kernel = new Kernel(row.id, shape.histories.kernels[row.id] ?? [], shape);
    kernel.node.kernel = kernel;
    kernels.set(row.id, kernel);
    byId("kernels").append(kernel.node);
    visibility.observe(kernel.node);
    kernel.update(row, now);
    kernel.showNotebooks(notebooks.of(row.id));
    if (!fresh) changes.add(`Kernel ${kernel.texts.title.textContent} has started.`);
    return;
  }
  const { restarts, state } = kernel.row;
  kernel.row = row;
  waiting.add(kernel);
  const title = kernel.texts.title.textContent;
  if (row.restarts > restarts) changes.add(`Kernel ${title} was restarted.`);
  if (row.state === "dead" && state !== "dead") changes.add(`Kernel ${title} is dead.`);
}

function takeSession(row, now, fresh) {
  const kernel = kernels.get(row.kernel);
  if (!kernel) return; // it is gone, and the session will be
  let session = sessions.get(row.id);
  if (!session) {
    session = new Session(shape.histories.sessions[row.id] ?? [], shape);
    session.kernel = kernel;
    sessions.set(row.id, session);
    session.update(row, now);
    kernel.add(session);
    kernel.tick(now);
    if (!fresh) changes.add(`Session ${row.name} has connected.`);
    return;
  }
  if (row.state !== session.row.state) changes.add(`Session ${row.name} is ${row.state}.`);
  session.row = row;
  waiting.add(session);
}

function forget(name) {
  const session = sessions.get(name);
  const kernel = kernels.get(name);
  if (session) {
    session.kernel.remove(session);
    changes.add(`Session ${session.row.name} has ended.`);
  }
  if (kernel) {
    visibility.unobserve(kernel.node);
    kernel.node.remove();
    changes.add(`Kernel ${kernel.texts.title.textContent} is gone.`);
  }
  for (const map of [sessions, kernels]) map.delete(name);
  for (const set of [waiting, drawn]) set.delete(session ?? kernel);
}

function addPoints(figures) {
  for (const each of [...kernels.values(), ...sessions.values()]) {
    each.plot.push(each.row.sample);
    drawn.add(each);
  }
  server.sample(figures);
}

// what is shown

function isSeen(each) {
  return (each.kernel ?? each).visible;
}

// All rows that are in the window, and some of the others.
function drawRows(now) {
  let others = UNSEEN_ROWS;
  for (const each of [...waiting]) {
    if (!isSeen(each) && others-- <= 0) continue;
    each.update(each.row, now);
    each.kernel?.place(each);
    waiting.delete(each);
  }
  for (const each of [...drawn]) {
    if (!isSeen(each) && others-- <= 0) continue;
    each.plot.draw();
    drawn.delete(each);
  }
  for (const kernel of kernels.values()) {
    if (!kernel.visible) continue;
    kernel.tick(now);
    for (const session of kernel.sessions) session.tick(now);
  }
  changes.flush();
}

async function nameKernels() {
  if (!(await notebooks.refresh())) return;
  for (const [id, kernel] of kernels) kernel.showNotebooks(notebooks.of(id));
  applyFilter();
}

function applyFilter() {
  const words = byId("filter").value.trim().toLowerCase();
  const notable = byId("notable").checked;
  let shown = 0;
  for (const kernel of kernels.values()) shown += kernel.filter(words, notable);
  const all = sessions.size;
  const filtered = words || notable ? `${format.count(shown)} of ${format.count(all)} sessions` : "";
  setText(byId("shown"), kernels.size ? filtered : "No kernel runs.");
}

// asking

function tell(sentence, lost) {
  setText(byId("connection"), sentence);
  byId("connection").classList.toggle("lost", lost);
}

async function ask() {
  if (asking || document.hidden) return;
  asking = true;
  let pause = PERIOD_MS;
  const late = setTimeout(() => tell("Waiting for the server …", true), LATE_MS);
  try {
    const options = { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
    const response = await fetch(`${URL}?seen=${encodeURIComponent(seen)}`, options);
    if (response.status === 403) throw new Error("you are not signed in any more; reload this page");
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    take(await response.json());
    nameKernels();
  } catch (error) {
    pause = RETRY_MS;
    tell(`Not live: ${error.message}. What is shown may be old.`, true);
  }
  clearTimeout(late);
  asking = false;
  timer = setTimeout(ask, pause);
}

function askNow() {
  clearTimeout(timer);
  ask();
}

document.addEventListener("visibilitychange", askNow);
byId("filter").addEventListener("input", applyFilter);
byId("notable").addEventListener("change", applyFilter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
askNow();
