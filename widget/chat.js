/** The composition: what the visitor sees, the conversation behind it, and the page around it. */
import { Api } from "./api.js";
import { clock, newId, oncePerFrame } from "./browser.js";
import { Client } from "./client.js";
import { Page } from "./page.js";
import { NOTICED_LOSS, statusLine } from "./status.js";
import { Store } from "./storage.js";
import { Strings } from "./strings.js";
import { View } from "./view.js";

const TOLD_TO_OWNER = {
  4403: (key) =>
    `this site (${location.origin}) is not among the allowed origins of project ${key}; add it in the dashboard`,
  4404: (key) => `there is no project with the key "${key}"; copy the snippet from the dashboard again`,
};

/** The life of the socket as the page hears of it. */
const CONNECTION = { greeting: "connecting", waiting: "connecting" };

export class Chat {
  #host;
  #embed;
  #strings;
  #page;
  #store;
  #client;
  #view;
  #api;
  #isOpen = false;
  #lostAt = null;
  #told = { unread: 0, status: "" };

  #drawSoon = oncePerFrame(() => this.#draw());

  /**
   * @param {HTMLElement} host the element that embed.js put into the page
   * @param {{key: string, server: string, files: string, take: (run: Function) => void}} embed
   */
  constructor(host, embed) {
    this.#host = host;
    this.#embed = embed;
    this.#page = new Page(window, {
      moved: () => this.#client.moved(),
      awake: () => this.#awake(),
      asleep: () => this.#client.sleep(),
      back: () => this.#resume(),
    });
    this.#strings = new Strings(this.#page.languages);
    this.#store = new Store({
      ...{ local: () => localStorage, session: () => sessionStorage },
      ...{ server: embed.server, key: embed.key },
    });
    this.#client = this.#makeClient();
    this.#view = this.#makeView();
    this.#api = new Api(this.#commands(), console);
  }

  /** Goes on where the last page view ended, takes the page's calls, connects if need be, appears. */
  start() {
    this.#view.draft = this.#store.draft;
    if (this.#store.isOpen) this.#setOpen(true);
    this.#embed.take((call) => this.#api.take(call));
    this.#resume();
    this.#draw();
    this.#view.appear(this.#host, `${this.#embed.files}chat.css`, window.visualViewport);
    this.#api.emit("ready");
  }

  #makeClient() {
    const { key, server } = this.#embed;
    return new Client({
      ...{ store: this.#store, tabs: window, WebSocket, clock, newId, random: Math.random },
      url: `${server.replace(/^http/, "ws")}/v1/widget/ws?key=${encodeURIComponent(key)}`,
      locks: navigator.locks,
      visible: () => this.#page.isVisible,
      wanted: () => this.#isOpen,
      introduce: () => ({ page: this.#page.place, visitor: this.#page.visitor }),
      on: {
        changed: () => this.#drawSoon(),
        connection: (state) => this.#connection(state),
        message: (message) => this.#message(message),
        error: (error) => this.#error(error),
        stopped: (code) => this.#stop(code),
      },
    });
  }

  #makeView() {
    return new View(this.#strings, {
      toggle: () => this.#toggle(),
      close: () => this.#close(),
      retry: (id) => this.#client.retry(id),
      top: () => this.#client.older(),
      end: () => this.#see(),
      send: (text) => this.#client.say(text) === "ok",
      typing: () => this.#client.typing(),
      draft: (text) => (this.#store.draft = text),
    });
  }

  #commands() {
    return {
      open: () => this.#open(),
      close: () => this.#close(),
      toggle: () => this.#toggle(),
      show: () => this.#view.show(true),
      hide: () => this.#hide(),
      identify: (details) => this.#client.identify(details),
      send: (text) => this.#say(String(text ?? "")),
      prefill: (text) => this.#view.prefill(String(text ?? "")),
      reset: () => this.#reset(),
    };
  }

  #toggle() {
    if (this.#isOpen) this.#close();
    else this.#open();
  }

  #open() {
    this.#setOpen(true);
    this.#view.focus();
    this.#client.wake();
  }

  #close() {
    this.#setOpen(false);
    if (!this.#client.hasPast) this.#client.sleep();
  }

  #setOpen(isOpen) {
    if (this.#isOpen === isOpen) return;
    this.#isOpen = this.#store.isOpen = isOpen;
    this.#view.open(isOpen);
    this.#drawSoon();
    this.#api.emit(isOpen ? "open" : "close");
  }

  #hide() {
    this.#close();
    this.#view.show(false);
  }

  #say(text) {
    const opinion = this.#client.say(text);
    if (opinion !== "ok") this.#error({ code: opinion, message: `send(text): the text is ${opinion}.` });
  }

  #reset() {
    this.#client.reset();
    this.#view.draft = "";
    this.#store.isOpen = this.#isOpen;
  }

  #resume() {
    if (this.#client.hasPast || this.#isOpen) this.#client.wake();
  }

  #awake() {
    this.#client.nudge();
    this.#drawSoon();
  }

  #see() {
    if (this.#isOpen && this.#page.isVisible && this.#view.isAtEnd) this.#client.seen();
  }

  #connection(state) {
    const isTrying = state !== "live" && state !== "idle" && state !== "stopped";
    if (isTrying && this.#lostAt === null) clock.after(NOTICED_LOSS, () => this.#drawSoon());
    this.#lostAt = isTrying ? (this.#lostAt ?? clock.now()) : null;
  }

  #message({ seq, id, from, author, text, at }) {
    if (from !== "visitor") this.#view.announce({ author, text });
    this.#api.emit("message", { seq, id, from, author, text, at });
  }

  #error({ code, message, id, retry_after: retryAfter }) {
    if (code === "identity_expired") this.#api.emit("identity_expired");
    this.#api.emit("error", { code, message, id, retry_after: retryAfter });
  }

  #stop(code) {
    this.#host.remove();
    console.warn(`Topicwire: ${TOLD_TO_OWNER[code](this.#embed.key)}.`);
  }

  #draw() {
    const { items, hasOlder, isLoadingOlder: isLoading, isHeld, config, status, connection } = this.#client;
    const lostFor = this.#lostAt === null ? 0 : clock.now() - this.#lostAt;
    const line = statusLine({ ...status, lostFor, isHeld }, this.#strings);
    this.#view.draw({ items, config, hasOlder, isLoading, status: line });
    this.#see();
    const { unread } = this.#client;
    this.#view.drawLauncher({ isOpen: this.#isOpen, unread });
    this.#tell(unread, { ...status, connection: CONNECTION[connection] ?? connection });
  }

  #tell(unread, status) {
    const told = this.#told;
    this.#told = { unread, status: JSON.stringify(status) };
    if (told.unread !== unread) this.#api.emit("unread", unread);
    if (told.status !== this.#told.status) this.#api.emit("status", status);
  }
}
