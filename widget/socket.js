/**
 * The life of the WebSocket.
 *
 *   idle ─connect─▶ connecting ─open─▶ greeting ─welcome─▶ live
 *    ▲                  │                  │                 │
 *  leave ◀── waiting ◀──┴──────lost────────┴─────────────────┘      deny ─▶ stopped, for good
 */
import { Backoff } from "./backoff.js";
import { SUBPROTOCOL, afterClose, decode, encode } from "./protocol.js";

const STATES = {
  idle: { connect: "connecting" },
  connecting: { open: "greeting", lost: "waiting", leave: "idle", deny: "stopped" },
  greeting: { welcome: "live", lost: "waiting", leave: "idle", deny: "stopped" },
  live: { lost: "waiting", leave: "idle", deny: "stopped" },
  waiting: { connect: "connecting", leave: "idle" },
  stopped: {},
};

const WELCOME_WITHIN = 15_000;
const SILENCE = 25_000;
const PONG_WITHIN = 10_000;
const SETTLED_AFTER = 10_000;
const SUSPICIOUS = 3_000;
const NO_ANSWER = 1006;

export class Socket {
  #parts;
  #state = "idle";
  #ws = null;
  #backoff;
  #verdict = "again";
  #heardAt = 0;
  #timers = {};

  /**
   * @param {object} parts
   * @param {string} parts.url
   * @param {typeof WebSocket} parts.WebSocket
   * @param {{now: () => number, after: (ms: number, run: () => void) => () => void}} parts.clock
   * @param {() => number} parts.random
   * @param {() => boolean} parts.visible whether anybody looks at the page
   * @param {() => object} parts.hello the first frame, made when it is due
   * @param {{state: (state: string) => void, frame: (frame: object) => void,
   *   closed: (verdict: string, wasLive: boolean, code: number) => void}} parts.on
   */
  constructor(parts) {
    this.#parts = parts;
    this.#backoff = new Backoff(parts.random);
  }

  get state() {
    return this.#state;
  }

  get isLive() {
    return this.#state === "live";
  }

  connect() {
    if (this.#state === "idle") this.#dial();
  }

  leave() {
    this.#hangUp();
    this.#cancel("retry");
    this.#move("leave");
  }

  /** @returns {boolean} whether the frame went out */
  send(frame) {
    if (!this.isLive) return false;
    this.#write(frame);
    return true;
  }

  /** Somebody waits: no longer than the server has asked us to. */
  hurry() {
    if (this.#state === "waiting" && this.#verdict !== "patient") this.#dial();
  }

  /** The page became visible or the network came back: no reason to wait, every reason to look. */
  nudge() {
    this.hurry();
    if (this.isLive && this.#parts.clock.now() - this.#heardAt > SUSPICIOUS) this.#ping();
  }

  /** Something should have been heard by now. */
  probe() {
    if (this.isLive) this.#ping();
  }

  #dial() {
    const { url, WebSocket } = this.#parts;
    this.#cancel("retry");
    this.#move("connect");
    this.#set("welcome", WELCOME_WITHIN, () => this.#lost(NO_ANSWER));
    try {
      this.#ws = new WebSocket(url, SUBPROTOCOL);
    } catch {
      return this.#lost(NO_ANSWER);
    }
    this.#ws.onopen = () => {
      if (this.#move("open")) this.#write(this.#parts.hello());
    };
    this.#ws.onmessage = ({ data }) => this.#hear(data);
    this.#ws.onclose = ({ code }) => this.#lost(code);
    return undefined;
  }

  #hear(data) {
    this.#heardAt = this.#parts.clock.now();
    this.#cancel("pong");
    this.#set("silence", SILENCE, () => this.#parts.visible() && this.#ping());
    const frame = decode(data);
    if (!frame || frame.type === "pong") return;
    this.#parts.on.frame(frame);
    if (frame.type === "welcome" && this.#move("welcome")) {
      this.#cancel("welcome");
      this.#set("settled", SETTLED_AFTER, () => this.#backoff.reset());
    }
  }

  #ping() {
    if (this.#timers.pong) return;
    this.#set("pong", PONG_WITHIN, () => this.#lost(NO_ANSWER));
    this.#write({ type: "ping" });
  }

  #write(frame) {
    this.#ws.send(encode(frame));
  }

  #lost(code) {
    const wasLive = this.isLive;
    this.#verdict = afterClose(code);
    this.#hangUp();
    if (!this.#move(this.#verdict === "stop" ? "deny" : "lost")) return;
    this.#parts.on.closed(this.#verdict, wasLive, code);
    if (this.#state !== "waiting") return;
    const wait = this.#verdict === "patient" ? this.#backoff.patient() : this.#backoff.next();
    this.#set("retry", wait, () => this.#dial());
  }

  /** A socket that hangs can take minutes to say that it has closed; it is not listened to. */
  #hangUp() {
    for (const name of ["welcome", "silence", "pong", "settled"]) this.#cancel(name);
    const ws = this.#ws;
    this.#ws = null;
    if (!ws) return;
    ws.onopen = ws.onmessage = ws.onclose = null;
    ws.close();
  }

  #move(event) {
    const next = STATES[this.#state][event];
    if (!next) return false;
    this.#state = next;
    this.#parts.on.state(next);
    return true;
  }

  #set(name, wait, run) {
    this.#cancel(name);
    this.#timers[name] = this.#parts.clock.after(wait, () => {
      delete this.#timers[name];
      run();
    });
  }

  #cancel(name) {
    this.#timers[name]?.();
    delete this.#timers[name];
  }
}
