// What the indicator says about a connection. Pure: must not read a clock or a page. Cost: nothing.

/** What the server says about the page's session. */
export interface SessionFacts {
  round_trip: number | null;
  resumes: number;
  caught_up: { messages: number };
  waiting: { messages: number; bytes: number };
  kernel: string;
  /** Whether the page has said that it has this extension. */
  announced: boolean;
}

/** What the indicator shows. */
export interface Shown {
  text: string;
  /** The whole sentence, for the tooltip. */
  title: string;
  /** Whether waiting text can be skipped. */
  skip: boolean;
}

/** Bytes. Less than this arrives before a person could read the number. */
const WORTH_SAYING = 64 * 1024;

/** `connection` is the kernel's connectionStatus; `resumed` says that a reconnect was a moment ago. */
export function describe(connection: string, facts: SessionFacts | null, resumed: boolean): Shown {
  if (connection !== 'connected') {
    return connection === 'connecting'
      ? { text: 'Reconnecting…', title: 'The connection to the kernel is lost; reconnecting.', skip: false }
      : { text: 'Disconnected', title: 'There is no connection to the kernel.', skip: false };
  }
  if (facts === null) return { text: '', title: '', skip: false };
  const { waiting, caught_up } = facts;
  if (waiting.bytes >= WORTH_SAYING) {
    const size = bytes(waiting.bytes);
    return facts.kernel === 'idle'
      ? { text: `The kernel has finished, ${size} still arriving`, title: 'All of it will be shown.', skip: true }
      : { text: `${size} waiting`, title: 'The cell prints faster than its output is shown.', skip: true };
  }
  if (resumed) {
    const count = caught_up.messages.toLocaleString('en');
    const text = caught_up.messages ? `Resumed, ${count} messages caught up` : 'Resumed';
    return { text, title: 'The connection was lost and is back.', skip: false };
  }
  if (facts.round_trip === null) return { text: 'Connected', title: 'Connected to the kernel.', skip: false };
  const milliseconds = `${Math.max(1, Math.round(facts.round_trip * 1000)).toLocaleString('en')} ms`;
  return { text: milliseconds, title: `Connected; a round trip to the server takes ${milliseconds}.`, skip: false };
}

/** A number of bytes as a person says it. */
export function bytes(count: number): string {
  const megabytes = count / 1e6;
  if (megabytes >= 10) return `${Math.round(megabytes).toLocaleString('en')} MB`;
  return megabytes >= 1 ? `${megabytes.toFixed(1)} MB` : `${Math.round(count / 1e3)} KB`;
}
