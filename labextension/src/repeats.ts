// Recognises messages that the server has sent twice: after a cut it repeats those that were not acknowledged.
//
// Remembers the last messages of one execution. Must not forget a message that may still be repeated: the server repeats at most
// `write_high_water` bytes, far fewer messages than are remembered. Cost: one entry a message.

/** The part of a message's header that identifies it. An update of a display has the display's msg_id and another type. */
export interface Identified {
  msg_id: string;
  msg_type: string;
}

const REMEMBERED = 20_000;

export class Repeats {
  readonly #most: number;
  #recent = new Set<string>();
  #older = new Set<string>();

  constructor(most = REMEMBERED) {
    this.#most = most;
  }

  /** Whether the message was here before; remembers it. */
  isRepeat({ msg_id, msg_type }: Identified): boolean {
    const key = `${msg_type} ${msg_id}`;
    if (this.#recent.has(key)) return true;
    const repeated = this.#older.has(key);
    if (this.#recent.size >= this.#most) {
      this.#older = this.#recent;
      this.#recent = new Set();
    }
    this.#recent.add(key);
    return repeated;
  }
}
