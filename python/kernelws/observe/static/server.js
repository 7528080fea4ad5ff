// The figures of the whole server. Must not fetch anything.

import { element, setText } from "./dom.js";
import * as format from "./format.js";
import { Plot } from "./plot.js";

export class Server {
  constructor(list, answer) {
    const { points, every, version, receive } = answer;
    this.rate = new Plot(points, every, "messages a second from all kernels");
    this.lag = new Plot(points, every, "milliseconds of event-loop lag", (seconds) =>
      format.milliseconds(1000 * seconds),
    );
    this.texts = {};
    const items = { Kernels: "kernels", Sessions: "sessions", "From all kernels": "rate", "Event-loop lag": "lag" };
    const more = { "All outboxes": "outboxes", "Suspected losses": "lost" };
    const shown = Object.entries({ ...items, ...more }).map(([title, name]) => {
      this.texts[name] = element("dd");
      const plot = { rate: this.rate, lag: this.lag }[name];
      const children = plot ? [element("dd", {}, plot.node)] : [];
      return element("div", {}, element("dt", {}, title), this.texts[name], ...children);
    });
    list.replaceChildren(...shown);
    const settings = "Settings without a class are traits of ZMQChannelsWebsocketConnection.";
    setText(document.getElementById("about"), `kernelws ${version}; receive path: ${receive}. ${settings}`);
  }

  update({ states, rate, memory, disk, bounds, lag, lost }, kernels) {
    setText(this.texts.kernels, format.count(kernels));
    const present = Object.entries(states).filter(([, number]) => number > 0);
    setText(this.texts.sessions, present.map(([state, number]) => `${format.count(number)} ${state}`).join(", ") || "none");
    setText(this.texts.rate, `${format.count(rate)} messages/s`);
    setText(this.texts.lag, format.milliseconds(1000 * lag));
    const of = (value, bound) => (bound > 0 ? `${format.bytes(value)} of ${format.bytes(bound)}` : format.bytes(value));
    setText(this.texts.outboxes, `${of(memory, bounds[0])} in memory, ${of(disk, bounds[1])} on disk`);
    setText(this.texts.lost, lost ? format.counted(lost, "message") : "none");
  }

  setPoints({ server, lag }) {
    this.rate.points = server;
    this.lag.points = lag;
    this.draw();
  }

  sample({ sample, worst }) {
    this.rate.push(sample);
    this.lag.push(worst);
    this.draw();
  }

  draw() {
    this.rate.draw();
    this.lag.draw();
  }
}
