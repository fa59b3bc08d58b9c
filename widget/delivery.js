/**
 * Gets what the visitor wrote to the server: through the outbox, while there is a connection and
 * this tab has the turn; and shows it until then.
 */
import { Outbox } from "./outbox.js";
import { clean, textVerdict } from "./protocol.js";
import { Turn } from "./turn.js";

export class Delivery {
  #socket;
  #memory;
  #outbox;
  #turn;

  /**
   * @param {object} parts
   * @param {import("./socket.js").Socket} parts.socket
   * @param {import("./memory.js").Memory} parts.memory
   * @param {import("./storage.js").Store} parts.store
   * @param {object} parts.clock
   * @param {() => string} parts.newId
   * @param {LockManager} [parts.locks]
   */
  constructor({ socket, memory, store, clock, newId, locks }) {
    this.#socket = socket;
    this.#memory = memory;
    this.#outbox = new Outbox({
      ...{ store, clock, newId },
      send: (frame) => socket.send(frame),
      silent: () => socket.probe(),
    });
    this.#turn = new Turn(locks, `${store.name} outbox`, () => this.flush());
  }

  get isPending() {
    return this.#outbox.waiting.length > 0;
  }

  get isHeld() {
    return this.#outbox.isHeld;
  }

  /** @returns {"ok"|"empty"|"too_long"} */
  say(text) {
    const message = clean(text);
    const opinion = textVerdict(message);
    if (opinion === "ok") this.#put(this.#outbox.add(message));
    return opinion;
  }

  /** Sends a message of before again, under its id. */
  retry(item) {
    this.#put(this.#outbox.retry(item));
  }

  /** The server has it. */
  settle(id) {
    this.#outbox.settle(id);
    this.flush();
  }

  /** The server refused it: for now, or for good. */
  refuse(frame) {
    const entry = this.#outbox.refuse(frame);
    if (entry) this.#memory.talk.await([entry]);
  }

  /** Sends what waits, if now is the time. */
  flush() {
    const busy = this.#socket.isLive && this.isPending;
    if (busy) this.#turn.want();
    if (busy && this.#turn.isMine) this.#outbox.open();
    else this.#outbox.close();
    if (!busy) this.#turn.give();
  }

  #put(entry) {
    this.#memory.talk.await([entry]);
    this.#socket.connect();
    this.#socket.hurry();
    if (this.#socket.isLive) this.#turn.take();
    this.flush();
  }
}
