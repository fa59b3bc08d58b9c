// The messages of the threads that were opened. While a page is on its way, what happens meanwhile is kept
// and taken after it, so that nothing falls in between.

export class Threads {
  #known = new Map();

  isExpected(key) {
    return Boolean(this.#known.get(key)?.missed);
  }

  get(key) {
    const known = this.#known.get(key);
    return known?.isFilled ? known : null;
  }

  /** A page is asked for; `fill` follows with this ticket, or `giveUp`. What is known stays on show until
   *  then. Only the newest ticket counts: an answer that was overtaken says less. */
  expect(key) {
    const missed = [];
    const known = this.#known.get(key) ?? { messages: [], more: false, isFilled: false };
    this.#known.set(key, { ...known, missed });
    return missed;
  }

  giveUp(key, ticket) {
    const known = this.#known.get(key);
    if (known?.missed !== ticket) return;
    if (known.isFilled) known.missed = null;
    else this.#known.delete(key);
  }

  fill(key, page, ticket) {
    if (this.#known.get(key)?.missed !== ticket) return;
    this.#known.set(key, { messages: page.messages, more: page.more, isFilled: true, missed: null });
    ticket.forEach((event) => this.take(key, event));
  }

  prepend(key, page) {
    const known = this.#known.get(key);
    if (!known) return;
    const oldest = known.messages[0]?.message_id ?? Infinity;
    known.messages = [...page.messages.filter((message) => message.message_id < oldest), ...known.messages];
    known.more = page.more;
  }

  /** Everything but one thread, which is asked for anew. */
  forgetAllBut(kept) {
    for (const key of this.#known.keys()) if (key !== kept) this.#known.delete(key);
  }

  forget(key) {
    this.#known.delete(key);
  }

  /** A new, edited or deleted message. */
  take(key, event) {
    const known = this.#known.get(key);
    if (!known) return;
    known.missed?.push(event);
    known.messages = changed(known.messages, event);
  }
}

function changed(messages, { type, message }) {
  const others = messages.filter((each) => each.message_id !== message.message_id);
  if (type === "deleted") return others;
  if (others.length !== messages.length) return messages.map((each) => (each.message_id === message.message_id ? message : each));
  return type === "message" ? [...messages, message] : messages;
}
