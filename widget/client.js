/**
 * The conversation as this tab lives it: what is remembered, what waits to be sent and the
 * connection, kept in step with each other and with other tabs. No page in here; it runs in a test
 * as it does in a browser.
 */
import { Delivery } from "./delivery.js";
import { Hold } from "./hold.js";
import { Memory } from "./memory.js";
import { Presence } from "./presence.js";
import { Socket } from "./socket.js";

const PAGE_OF_HISTORY = 50;
const HISTORY_WITHIN = 10_000;
const CALM = Object.freeze({ state: "open", delay: 0 });

export class Client {
  #store;
  #clock;
  #on;
  #wanted;
  #memory;
  #hold;
  #presence;
  #socket;
  #delivery;
  #cancelHistory = null;

  /** What the server said last of the conversation's state and the relay's delay. */
  status = CALM;

  #frames = {
    welcome: (frame) => this.#welcome(frame),
    ack: (frame) => this.#learn(frame),
    message: (frame) => this.#learn(frame),
    relayed: (frame) => this.#learn(frame),
    failed: (frame) => this.#learn(frame),
    edited: (frame) => this.#learn(frame),
    deleted: (frame) => this.#learn(frame),
    history: (frame) => this.#endHistory(() => this.#learn(frame)),
    status: (frame) => this.#report(frame),
    error: (frame) => this.#refused(frame),
  };

  #drawers = {
    unsent: () => this.#unsentElsewhere(),
    kept: () => this.#keptElsewhere(),
    hold: () => this.#heldElsewhere(),
    "": () => this.#heldElsewhere(),
    marks: () => this.#on.changed(),
  };

  /**
   * @param {object} parts
   * @param {string} parts.url of the widget socket
   * @param {import("./storage.js").Store} parts.store
   * @param {EventTarget} parts.tabs where `storage` events of other tabs are heard
   * @param {typeof WebSocket} parts.WebSocket
   * @param {{now: () => number, after: (ms: number, run: () => void) => () => void}} parts.clock
   * @param {() => number} parts.random
   * @param {() => string} parts.newId
   * @param {LockManager} [parts.locks]
   * @param {() => boolean} parts.visible
   * @param {() => boolean} parts.wanted whether the visitor has the chat open
   * @param {() => {page: object, visitor: object}} parts.introduce
   * @param {{changed: () => void, connection: (state: string) => void,
   *   message: (message: object) => void, error: (error: object) => void,
   *   stopped: (code: number) => void}} parts.on
   */
  constructor({ url, store, tabs, WebSocket, clock, random, newId, locks, visible, wanted, introduce, on }) {
    this.#store = store;
    this.#clock = clock;
    this.#on = on;
    this.#wanted = wanted;
    this.#memory = new Memory(store, clock);
    this.#hold = new Hold(store, this.#memory);
    this.#socket = new Socket({
      ...{ url, WebSocket, clock, random, visible },
      hello: () => ({ type: "hello", ...this.#hold.ask(), ...this.#presence.hello() }),
      on: {
        state: (state) => this.#connection(state),
        frame: (frame) => this.#frames[frame.type]?.(frame),
        closed: (...how) => this.#closed(...how),
      },
    });
    const send = (frame) => this.#socket.send(frame);
    this.#presence = new Presence({ send, store, clock, introduce });
    this.#delivery = new Delivery({
      ...{ socket: this.#socket, memory: this.#memory },
      ...{ store, clock, newId, locks },
    });
    store.watch(tabs, (drawer) => this.#drawers[drawer]?.());
  }

  get connection() {
    return this.#socket.state;
  }

  get config() {
    return this.#store.config;
  }

  get items() {
    return this.#memory.talk.items();
  }

  get hasOlder() {
    return this.#memory.talk.hasOlder;
  }

  get isLoadingOlder() {
    return this.#cancelHistory !== null;
  }

  get unread() {
    return this.#memory.talk.unread(this.#store.marks.read);
  }

  /** Whether there is anything that a connection could bring or take before the chat is opened. */
  get hasPast() {
    return this.#delivery.isPending || this.#memory.talk.oldest > 0;
  }

  /** Whether messages wait because the server has asked us to slow down. */
  get isHeld() {
    return this.#delivery.isHeld;
  }

  /** Connects, unless that has happened or will not help. */
  wake() {
    this.#socket.connect();
  }

  /** The page may never be seen again. */
  sleep() {
    this.#memory.save();
    this.#socket.leave();
  }

  /** The page is looked at again, or the network is back. */
  nudge() {
    this.#socket.nudge();
  }

  /**
   * Stores a message and sends it as soon as that is possible.
   * @returns {"ok"|"empty"|"too_long"}
   */
  say(text) {
    const opinion = this.#delivery.say(text);
    this.#on.changed();
    return opinion;
  }

  /** Tries a failed message again, under the same id. */
  retry(id) {
    const item = this.items.find((candidate) => candidate.id === id && candidate.state === "failed");
    if (item) this.#delivery.retry(item);
    this.#on.changed();
  }

  typing() {
    this.#presence.typing();
  }

  /** The page's address may have changed. */
  moved() {
    this.#presence.moved();
  }

  /** The visitor has the newest message before their eyes. */
  seen() {
    if (this.#presence.seen(this.#memory.talk.heard)) this.#on.changed();
  }

  /** Asks for older messages than those on show. */
  older() {
    if (!this.hasOlder || this.isLoadingOlder) return;
    const frame = { type: "history", before: this.#memory.talk.oldest, limit: PAGE_OF_HISTORY };
    if (!this.#socket.send(frame)) return;
    this.#cancelHistory = this.#clock.after(HISTORY_WITHIN, () => this.#endHistory());
    this.#on.changed();
  }

  /** Who the visitor is, as far as the site knows. A signed identity may open another conversation. */
  identify(details) {
    if (this.#presence.identify(details)) this.#startOver();
    else this.#presence.catchUp();
  }

  /** Ends this browser's hold on the conversation. */
  reset() {
    this.#socket.send({ type: "reset" });
    this.#socket.leave();
    this.#store.clear();
    this.#presence.forget();
    this.#lose();
    if (this.#wanted()) this.wake();
  }

  #welcome(frame) {
    this.#store.config = frame.config ?? {};
    if (this.#hold.accept(frame)) this.#report(frame);
    else this.#startOver();
  }

  #startOver() {
    this.#socket.leave();
    this.wake();
  }

  #learn(frame) {
    const { arrived, settled } = this.#memory.apply(frame);
    if (settled) this.#delivery.settle(settled);
    if (arrived && this.#hold.isNews) this.#on.message(arrived);
    this.#on.changed();
  }

  #report({ state, delay }) {
    this.status = { state, delay: delay ?? 0 };
    this.#on.changed();
  }

  #refused(frame) {
    if (frame.id) this.#delivery.refuse(frame);
    if (frame.code === "bad_frame" && this.#socket.state === "greeting") this.#presence.doubt();
    this.#on.error(frame);
    this.#on.changed();
  }

  #endHistory(run = () => {}) {
    this.#cancelHistory?.();
    this.#cancelHistory = null;
    run();
    this.#on.changed();
  }

  #connection(state) {
    if (state === "live") this.#presence.catchUp();
    else this.#endHistory();
    this.#delivery.flush();
    this.#on.connection(state);
    this.#on.changed();
  }

  #closed(verdict, wasLive, code) {
    if (verdict === "stop") this.#on.stopped(code);
    if (verdict !== "token") return;
    this.#hold.refused();
    this.status = CALM;
    if (!this.#wanted() && !this.#delivery.isPending) this.#socket.leave();
  }

  #lose() {
    this.#memory.lose({ everything: true });
    this.status = CALM;
    this.#on.changed();
  }

  #unsentElsewhere() {
    this.#memory.awaitUnsent();
    this.#delivery.flush();
    this.#on.changed();
  }

  #keptElsewhere() {
    this.#memory.mergeKept();
    if (this.hasPast) this.wake();
    this.#on.changed();
  }

  /** Another tab has begun a conversation, or ended ours. */
  #heldElsewhere() {
    if (!this.#memory.isOutdated) return;
    this.#socket.leave();
    this.#lose();
    if (this.#wanted() || this.#store.hold) this.wake();
  }
}
