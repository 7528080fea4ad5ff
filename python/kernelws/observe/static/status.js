// The status page: requests all data once a second, and shows it.
//
// It requests nothing while the page is hidden. Each second it updates the kernels in the window and a limited number of others,
// so that hundreds of kernels cost the browser little. The first request gets all points of the plots, and so does one after
// which more than one point is missing; otherwise each row has its newest point.

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
let samples = null;
let drawn = new Set();
let timer = 0;
let asking = false;

const visibility = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) entry.target.kernel.visible = entry.isIntersecting;
  },
  { rootMargin: "200px" },
);

// the server's answer

function objects(rows, columns) {
  return rows.map((row) => Object.fromEntries(columns.map((name, index) => [name, row[index]])));
}

// A restarted server numbers its sessions from 1 again, but its kernels have new ids.
function keyOf(row) {
  return `${row.kernel} ${row.id}`;
}

function take(answer) {
  const isFirst = server === null;
  server ??= new Server(byId("server"), answer);
  const kernelRows = objects(answer.kernels, answer.columns.kernels);
  const sessionRows = objects(answer.sessions, answer.columns.sessions);
  forgetOthers(sessions, new Set(sessionRows.map(keyOf)), forgetSession);
  forgetOthers(kernels, new Set(kernelRows.map((row) => row.id)), forgetKernel);
  for (const row of kernelRows) takeKernel(row, answer, isFirst);
  for (const row of sessionRows) takeSession(row, answer, isFirst);
  takePoints(answer);
  server.update(answer.server, kernels.size);
  drawRows(answer.now);
  applyFilter();
  // JupyterLab's kernel menu links to one kernel
  if (isFirst && location.hash) byId(location.hash.slice(1))?.scrollIntoView();
  tell("Live, once a second.", false);
}

function takeKernel(row, answer, isFirst) {
  let kernel = kernels.get(row.id);
  if (!kernel) {
    kernel = new Kernel(row.id, answer);
    kernel.node.kernel = kernel;
    kernels.set(row.id, kernel);
    byId("kernels").append(kernel.node);
    visibility.observe(kernel.node);
    kernel.update(row, answer.now);
    kernel.showNotebooks(notebooks.of(row.id));
    if (!isFirst) changes.add(`Kernel ${kernel.texts.title.textContent} has started.`);
    return;
  }
  const { restarts, state } = kernel.row;
  kernel.row = row;
  waiting.add(kernel);
  const title = kernel.texts.title.textContent;
  if (row.restarts > restarts) changes.add(`Kernel ${title} was restarted.`);
  if (row.state === "dead" && state !== "dead") changes.add(`Kernel ${title} is dead.`);
  if (row.state === "unresponsive" && state !== "unresponsive") changes.add(`Kernel ${title} is unresponsive.`);
}

function takeSession(row, answer, isFirst) {
  const kernel = kernels.get(row.kernel);
  if (!kernel) return; // the kernel has ended, and its session is about to
  let session = sessions.get(keyOf(row));
  if (!session) {
    session = new Session(answer);
    session.kernel = kernel;
    sessions.set(keyOf(row), session);
    session.update(row, answer.now);
    kernel.add(session);
    kernel.tick(answer.now);
    if (!isFirst) changes.add(`Session ${row.name} has connected.`);
    return;
  }
  if (row.state !== session.row.state) changes.add(`Session ${row.name} is ${row.state}.`);
  session.row = row;
  waiting.add(session);
}

function forgetOthers(known, kept, forget) {
  for (const [name, each] of known) {
    if (kept.has(name)) continue;
    forget(each);
    known.delete(name);
    waiting.delete(each);
    drawn.delete(each);
  }
}

function forgetSession(session) {
  session.kernel.remove(session);
  changes.add(`Session ${session.row.name} has ended.`);
}

function forgetKernel(kernel) {
  visibility.unobserve(kernel.node);
  kernel.node.remove();
  changes.add(`Kernel ${kernel.texts.title.textContent} is gone.`);
}

// `samples` is null if points are missing; the next request gets all.
function takePoints(answer) {
  if (answer.histories) setPoints(answer.histories);
  else if (answer.samples === samples + 1) addPoints(answer.server);
  else if (answer.samples !== samples) answer.samples = null;
  samples = answer.samples;
}

function setPoints(histories) {
  for (const kernel of kernels.values()) kernel.plot.points = histories.kernels[kernel.row.id] ?? [];
  for (const session of sessions.values()) session.plot.points = histories.sessions[session.row.id] ?? [];
  for (const each of [...kernels.values(), ...sessions.values()]) drawn.add(each);
  server.setPoints(histories);
}

function addPoints(figures) {
  for (const each of [...kernels.values(), ...sessions.values()]) {
    each.plot.push(each.row.sample);
    drawn.add(each);
  }
  server.sample(figures);
}

// showing

function isSeen(each) {
  return (each.kernel ?? each).visible;
}

// Draws all rows in the window, and at most UNSEEN_ROWS others.
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

// requesting

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
    const response = await fetch(samples === null ? `${URL}?histories=1` : URL, options);
    if (response.status === 403) throw new Error("you are not signed in any more; reload this page");
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    take(await response.json());
    nameKernels();
  } catch (error) {
    pause = RETRY_MS;
    samples = null;
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
