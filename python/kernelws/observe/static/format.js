// Formats numbers, sizes and times for people. Must not know the page.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function count(number) {
  return number > 0 && number < 10 ? tenths.format(number) : whole.format(number);
}

// "1 message", "2,000 messages"
export function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

export function bytes(number) {
  let unit = 0;
  while (number >= 1024 && unit < UNITS.length - 1) {
    number /= 1024;
    unit += 1;
  }
  return `${number < 10 && unit > 0 ? tenths.format(number) : whole.format(number)} ${UNITS[unit]}`;
}

export function rate(messages, size) {
  return messages > 0 ? `${count(messages)} messages/s, ${bytes(size)}/s` : "quiet";
}

export function milliseconds(number) {
  return `${number < 10 ? tenths.format(number) : whole.format(number)} ms`;
}

// A time span in one unit: 12 s, 5 min, 3 h.
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}

// The trait without its class, which the footer of the page names.
export function trait(name) {
  return name.replaceAll("ZMQChannelsWebsocketConnection.", "");
}

export function times(number) {
  return number > 1 ? ` (${count(number)} times)` : "";
}
