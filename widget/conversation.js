/**
 * What is known of one conversation. Messages of the server are kept by `seq`, and of two reports
 * about the same message the one with the higher `rev` counts, whatever order they come in.
 * Beside them stand the visitor's own messages that nobody has acknowledged yet ("pending").
 * Knows neither the page nor the network.
 */

const KEPT_MESSAGES = 100;
const KEPT_CHARACTERS = 200_000;

/** `rev` of every change but `ack` moves what we ask for after a reconnect. */
const MOVES = new Set(["message", "relayed", "failed", "edited", "deleted"]);
const SHOWN = { accepted: "sent", relayed: "delivered", failed: "failed" };

export class Conversation {
  #messages = new Map();
  #pending = new Map();
  #lastRev = 0;
  #target = 0;
  #more = true;

  #changes = {
    message: (frame) => this.#learn(frame),
    ack: (frame) => this.#acknowledge(frame),
    relayed: ({ seq, rev }) => this.#change(seq, rev, { state: "relayed", reason: undefined }),
    failed: ({ seq, rev, reason }) => this.#change(seq, rev, { state: "failed", reason }),
    edited: ({ seq, rev, text, entities }) =>
      this.#change(seq, rev, { text: text ?? "", entities, edited: true }),
    deleted: ({ seq, rev }) =>
      this.#change(seq, rev, { text: "", entities: undefined, deleted: true }),
    history: ({ messages, more }) => {
      for (const message of messages) this.#learn(message);
      this.#more = more;
    },
  };

  /** Everything up to here is known; what `hello` asks to continue from. */
  get lastRev() {
    return this.#lastRev;
  }

  get isCaughtUp() {
    return this.#lastRev >= this.#target;
  }

  /** The changes up to `rev` are on their way. */
  expect(rev) {
    this.#target = rev;
  }

  /** The lowest `seq` on show, 0 when there is none. */
  get oldest() {
    return this.#window()[0]?.seq ?? 0;
  }

  get hasOlder() {
    return this.#more && this.oldest > 1;
  }

  /** The highest `seq` that somebody else than the visitor wrote, 0 when there is none. */
  get heard() {
    return this.#window().findLast(({ from }) => from !== "visitor")?.seq ?? 0;
  }

  get isEmpty() {
    return this.#messages.size === 0 && this.#pending.size === 0;
  }

  /**
   * Takes in a frame of the server; frames about something else are ignored.
   * @returns {{arrived?: object, settled?: string}} a message that was new, the id that is now safe
   */
  apply(frame) {
    const outcome = this.#changes[frame.type]?.(frame) ?? {};
    if (MOVES.has(frame.type)) this.#lastRev = Math.max(this.#lastRev, frame.rev);
    return outcome;
  }

  /** Shows what waits to be acknowledged. Only an answer of the server or `clear` takes it away. */
  await(entries) {
    for (const entry of entries) {
      if (!this.#isSettled(entry)) this.#pending.set(entry.id, { ...entry });
    }
  }

  /** @returns {boolean} whether the server is known to have this pending message already */
  #isSettled({ id, rev = 0 }) {
    return this.byId(id)?.rev > rev;
  }

  /** Ids of these entries that need not be sent again. */
  settledOf(entries) {
    return entries.filter((entry) => this.#isSettled(entry)).map(({ id }) => id);
  }

  /** @returns {object|undefined} the server's message that the visitor sent as `id` */
  byId(id) {
    for (const message of this.#messages.values()) {
      if (message.id === id && message.from) return message;
    }
    return undefined;
  }

  /** @returns {object|undefined} the message that is on show as `seq` */
  bySeq(seq) {
    return this.#window().find((message) => message.seq === seq);
  }

  /** How many answers there are beyond `seq`. */
  unread(seq) {
    return this.#window().filter(
      (message) => message.from === "operator" && !message.deleted && message.seq > seq,
    ).length;
  }

  /** Everything on show, in order: what the server has, then what waits. */
  items() {
    const shown = this.#window().map((message) => this.#item(message));
    const ids = new Set(shown.map(({ id }) => id));
    const waiting = [...this.#pending.values()].filter(({ id }) => !ids.has(id));
    return [...shown, ...waiting.map(pendingItem)];
  }

  /** What is worth keeping for the next page view. */
  snapshot() {
    const messages = [];
    let characters = 0;
    for (const message of this.#sorted().reverse().slice(0, KEPT_MESSAGES)) {
      characters += message.text?.length ?? 0;
      if (characters > KEPT_CHARACTERS) break;
      messages.unshift(message);
    }
    return { last_rev: this.#lastRev, messages };
  }

  /** Begins where an earlier page view ended. */
  restore({ last_rev: lastRev, messages }) {
    this.merge(messages);
    this.#lastRev = Math.max(this.#lastRev, lastRev);
  }

  /** Takes over what another tab knows, without believing that it is everything. */
  merge(messages) {
    for (const message of messages) this.#learn(message);
  }

  /** Forgets what the server said; what waits to be sent stays, unless `everything` goes. */
  clear({ everything = false } = {}) {
    this.#messages.clear();
    this.#lastRev = 0;
    this.#target = 0;
    this.#more = true;
    if (everything) this.#pending.clear();
    for (const entry of this.#pending.values()) delete entry.rev;
  }

  #learn(message) {
    const { type: _, ...report } = message;
    const known = this.#messages.get(report.seq);
    if (!known?.from) this.#messages.set(report.seq, { ...report, ...newerOf(known, report) });
    else if (report.rev >= known.rev) this.#messages.set(report.seq, replacing(known, report));
    const settled = this.#settle(report.id, this.#messages.get(report.seq).rev);
    const arrived = !known?.from && report.from !== "visitor" ? report : undefined;
    return { settled, arrived };
  }

  #settle(id, rev) {
    const entry = this.#pending.get(id);
    if (!entry || rev <= (entry.rev ?? 0)) return undefined;
    this.#pending.delete(id);
    return id;
  }

  /** A repeat is acknowledged like the first time, so this may be news or may be old. */
  #acknowledge({ id, seq, rev, at }) {
    const entry = this.#pending.get(id);
    const known = this.#messages.get(seq);
    this.#pending.delete(id);
    let arrived;
    if (known?.from) {
      const triedAgain = known.state === "failed" && (rev > known.rev || entry?.rev === known.rev);
      if (triedAgain) Object.assign(known, { state: "accepted", reason: undefined });
      known.rev = Math.max(known.rev, rev);
    } else if (entry) {
      const report = { id, seq, rev, at, from: "visitor", text: entry.text, state: "accepted" };
      arrived = { ...report, ...newerOf(known, report) };
      this.#messages.set(seq, arrived);
    }
    return { settled: id, arrived };
  }

  /** A change may come before the message that it is about: an `ack` can still be on its way. */
  #change(seq, rev, fields) {
    const known = this.#messages.get(seq);
    if (!known && seq < this.oldest - this.#pending.size) return; // out of sight
    if (known && known.rev > rev) return;
    this.#messages.set(seq, { ...known, seq, rev, ...fields });
  }

  #sorted() {
    return [...this.#messages.values()].sort((one, other) => one.seq - other.seq);
  }

  /**
   * The unbroken stretch up to the newest message. A hole as wide as what waits for its `ack` is
   * no break; a wider one means that the messages below it were learned by chance (an edit of
   * something old) and come again with the history. While catching up, holes are still being filled.
   */
  #window() {
    const messages = this.#sorted();
    let patience = this.isCaughtUp ? this.#pending.size : Infinity;
    let start = messages.length - 1;
    for (; start > 0; start--) {
      patience -= messages[start].seq - messages[start - 1].seq - 1;
      if (patience < 0) break;
    }
    return messages.slice(Math.max(0, start)).filter(({ from }) => from);
  }

  #item(message) {
    const entry = this.#pending.get(message.id);
    const state = message.from === "visitor" ? (SHOWN[message.state] ?? "sent") : undefined;
    const key = message.id ?? `seq ${message.seq}`;
    return { ...message, key, state, ...(entry && waitingState(entry)) };
  }
}

const waitingState = ({ refused }) =>
  refused ? { state: "failed", reason: refused } : { state: "sending", reason: undefined };

const pendingItem = ({ id, text, at, refused }) => ({
  key: id,
  id,
  text,
  at: new Date(at).toISOString(),
  from: "visitor",
  ...waitingState({ refused }),
});

const newerOf = (known, report) => (known?.rev >= report.rev ? known : {});

/** A report is the whole message as it is now; only the reason of a failure is told once. */
const replacing = (known, report) =>
  report.state === "failed" ? { reason: known.reason, ...report } : report;
