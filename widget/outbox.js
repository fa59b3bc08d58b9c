/**
 * What the visitor wrote travels from here: stored first, then sent in order, and kept until the
 * server has acknowledged it. The same id is repeated after ten silent seconds and after every
 * reconnect, which the server makes harmless. A refusal holds everything behind it.
 */
import { verdict } from "./protocol.js";

const PATIENCE = 10_000;
const IN_FLIGHT = 8;
const PAUSE = { rate_limited: 2_000, unavailable: 5_000 };

const frameOf = ({ id, text }) => ({ type: "message", id, text });

export class Outbox {
  #store;
  #clock;
  #send;
  #silent;
  #newId;
  #sentAt = new Map();
  #open = false;
  #heldUntil = 0;
  #cancelTimer = () => {};

  /**
   * @param {object} parts
   * @param {import("./storage.js").Store} parts.store
   * @param {{now: () => number, after: (ms: number, run: () => void) => () => void}} parts.clock
   * @param {(frame: object) => boolean} parts.send says whether the frame went out
   * @param {() => void} parts.silent is told when an acknowledgement is overdue
   * @param {() => string} parts.newId
   */
  constructor({ store, clock, send, silent = () => {}, newId }) {
    this.#store = store;
    this.#clock = clock;
    this.#send = send;
    this.#silent = silent;
    this.#newId = newId;
  }

  /** What waits to be sent or acknowledged; what was refused for good is not among it. */
  get waiting() {
    return this.#store.unsent.filter(
      (entry) => !entry.refused && verdict(frameOf(entry)) === "ok",
    );
  }

  /** Whether the server has asked to wait before more is sent. */
  get isHeld() {
    return this.#clock.now() < this.#heldUntil && this.waiting.length > 0;
  }

  /** Stores a new message. @returns {{id: string, text: string, at: number}} */
  add(text) {
    return this.#put({ id: this.#newId(), text });
  }

  /** Stores a message of before again, under the same id; `rev` is what was known of it. */
  retry({ id, text, rev }) {
    return this.#put({ id, text, ...(rev && { rev }) });
  }

  /** The connection is there and it is our turn. */
  open() {
    this.#open = true;
    this.pump();
  }

  /** The connection or the turn is gone: what was in flight is in nobody's hands. */
  close() {
    this.#open = false;
    this.#heldUntil = 0;
    this.#sentAt.clear();
    this.#cancelTimer();
  }

  /** The server has it. */
  settle(id) {
    this.#sentAt.delete(id);
    this.#store.dropUnsent(id);
    this.pump();
  }

  /** The server refused `id`: later, or (any other code) never. @returns {object|undefined} */
  refuse({ id, code, message, retry_after: retryAfter }) {
    const entry = this.#store.unsent.find((candidate) => candidate.id === id);
    if (!entry) return undefined;
    if (code in PAUSE) {
      const pause = retryAfter === undefined ? PAUSE[code] : retryAfter * 1000;
      this.#heldUntil = Math.max(this.#heldUntil, this.#clock.now() + pause);
      this.#recallFrom(id);
    } else {
      this.#sentAt.delete(id);
      this.#store.putUnsent({ ...entry, refused: message || code });
    }
    this.pump();
    return this.#store.unsent.find((candidate) => candidate.id === id);
  }

  /** Sends what may be sent now; called whenever anything has changed. */
  pump() {
    this.#cancelTimer();
    if (!this.#open) return;
    const now = this.#clock.now();
    if (now < this.#heldUntil) return this.#wake(this.#heldUntil - now);
    this.#dropSettledElsewhere();
    this.#recallOverdue(now);
    for (const entry of this.waiting) {
      if (this.#sentAt.size >= IN_FLIGHT) break;
      if (this.#sentAt.has(entry.id)) continue;
      if (!this.#send(frameOf(entry))) return;
      this.#sentAt.set(entry.id, now);
    }
    const [oldest] = this.#sentAt.values();
    if (oldest !== undefined) this.#wake(oldest + PATIENCE - now);
  }

  #put(entry) {
    const last = this.#store.unsent.at(-1)?.at ?? 0;
    const stored = { ...entry, at: Math.max(this.#clock.now(), last + 1) };
    this.#store.putUnsent(stored);
    return stored;
  }

  #dropSettledElsewhere() {
    const waiting = new Set(this.waiting.map(({ id }) => id));
    for (const id of this.#sentAt.keys()) if (!waiting.has(id)) this.#sentAt.delete(id);
  }

  #recallOverdue(now) {
    const overdue = [...this.#sentAt].find(([, sentAt]) => now - sentAt >= PATIENCE);
    if (!overdue) return;
    this.#recallFrom(overdue[0]);
    this.#silent();
  }

  /** From `id` on everything counts as not sent, so that it is sent again in order. */
  #recallFrom(id) {
    const order = this.waiting.map((entry) => entry.id);
    for (const later of order.slice(Math.max(0, order.indexOf(id)))) this.#sentAt.delete(later);
  }

  #wake(after) {
    this.#cancelTimer = this.#clock.after(after, () => this.pump());
  }
}
