// The middle: one topic's messages under its header.

import { bubble, dayPill, servicePill } from "./bubbles.js";
import { h, icon, iconButton, place } from "./dom.js";
import { topicIcon } from "./figures.js";
import { Nothing } from "./nothing.js";
import { panelButtons } from "./panels.js";
import { PinnedBar } from "./pins.js";
import { count, isSameDay, isService } from "./words.js";

const TOGETHER_SECONDS = 300;
const NEAR_SCREENS = 3;

export class Thread {
  #store;
  #acts;
  #nodes = new Map();
  #opened = "";
  #newest = 0;
  #below = 0;
  #height = 0;
  #loading = false;
  #headLook = "";

  constructor(store, acts, composer) {
    this.#store = store;
    this.#acts = acts;
    this.head = h("div.thread-title");
    this.menuButton = iconButton("more", "Topic menu", () => acts.topicMenu(this.menuButton, store.thread));
    this.menuButton.setAttribute("aria-haspopup", "menu");
    this.pins = new PinnedBar(acts);
    this.list = h("div.messages", { role: "log", "aria-label": "Messages", tabIndex: 0, onkeydown: (event) => this.#onKey(event) });
    this.scroller = h("div.scroller", { onscroll: () => this.#onScroll() }, this.list);
    this.jumpBadge = h("span.badge", { hidden: true });
    this.jumpButton = h("button.to-bottom", { type: "button", title: "Newest messages", "aria-label": "Newest messages", onclick: () => this.toBottom(true) }, icon("down"), this.jumpBadge);
    this.nothing = new Nothing(store, acts.demo);
    this.element = h(
      "main.thread",
      { ondragover: (event) => event.preventDefault(), ondrop: (event) => this.#onDrop(event) },
      h("header.bar", {}, iconButton("back", "Back to topics", () => acts.back(), ".back"), this.head, panelButtons(acts), this.menuButton),
      this.pins.element,
      h("div.body", {}, this.scroller, this.jumpButton, this.nothing.element),
      composer.element,
    );
    // A line to write in that grows, or a keyboard that comes up, must not cover the newest message.
    this.isAtBottom = true;
    new ResizeObserver(() => this.isAtBottom && this.toBottom()).observe(this.scroller);
  }

  render() {
    const { topic, chat } = this.#store;
    this.element.classList.toggle("nothing", !topic);
    this.nothing.render();
    if (!topic || !chat) {
      this.#opened = "";
      return;
    }
    this.#renderHead(topic, chat);
    this.pins.render(topic);
    const opened = this.#opened !== this.#key();
    const wasAtBottom = opened || this.#isAtBottom();
    this.#opened = this.#key();
    if (opened) this.#newest = 0;
    this.#put(this.#rows(), opened);
    this.#follow(opened, wasAtBottom);
  }

  toBottom(smooth = false) {
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
  }

  /** Shows a message, reading on until it is there. */
  async jump(messageId) {
    const key = this.#key();
    while (!this.#node(messageId) && this.#store.hasMore && key === this.#key()) {
      await this.#acts.older();
      this.render();
    }
    const row = this.#node(messageId);
    if (!row) return;
    const away = Math.abs(row.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top);
    row.scrollIntoView({ block: "center", behavior: away < NEAR_SCREENS * innerHeight ? "smooth" : "instant" });
    row.classList.remove("flash");
    requestAnimationFrame(() => row.classList.add("flash"));
  }

  #node(messageId) {
    return this.list.querySelector(`[data-message="${messageId}"]`);
  }

  #renderHead(topic, chat) {
    const isTyping = this.#store.isTyping(topic.id);
    const state = this.#store.linked === false ? "connecting…" : isTyping ? "visitor is typing…" : topic.closed ? "closed" : topic.id === 1 ? chat.title : count(topic.messages, "message");
    const look = JSON.stringify([topic.name, topic.icon_color, topic.id, state]);
    if (look === this.#headLook) return;
    this.#headLook = look;
    this.head.replaceChildren(
      topicIcon(topic),
      h("div.thread-words", {}, h("h1", { dir: "auto", title: topic.name }, topic.name), h(`small${isTyping ? ".typing" : ""}`, {}, state)),
    );
  }

  /** What is on show stays where it is when older messages come in above it. */
  #put(rows, opened) {
    const first = this.list.querySelector(":scope > [data-message]");
    const anchor = first?.dataset.message;
    const isAbove = !opened && first && Number(rows.find((row) => row.dataset.message)?.dataset.message) < Number(anchor);
    const bottom = isAbove ? first.getBoundingClientRect().bottom : 0;
    place(this.list, rows);
    if (isAbove) this.scroller.scrollTop += this.#node(anchor).getBoundingClientRect().bottom - bottom;
  }

  #rows() {
    const units = albums(this.#store.messages);
    const rows = [];
    const kept = new Map();
    units.forEach((unit, index) => {
      const before = units[index - 1]?.[0];
      const [message] = unit;
      if (!before || !isSameDay(before.date, message.date)) rows.push(this.#kept(kept, `day ${new Date(message.date * 1000).toDateString()}`, [], () => dayPill(message.date)));
      const look = this.#look(message, before, units[index + 1]?.[0]);
      rows.push(this.#kept(kept, message.message_id, [...unit, ...Object.values(look)], () => this.#newRow(unit, look)));
    });
    this.#nodes = kept;
    return rows;
  }

  #newRow(unit, look) {
    if (isService(unit[0])) return servicePill(unit[0], look, this.#acts);
    return bubble(unit, { ...look, nameOf: (person) => this.#store.name(person) }, this.#acts);
  }

  /** The node of an earlier rendering if nothing about it changed. */
  #kept(kept, key, version, make) {
    const known = this.#nodes.get(key);
    const isSame = known?.version.length === version.length && version.every((part, index) => part === known.version[index]);
    const node = isSame ? known.node : this.#made(make, known);
    if (!known && this.#newest && Number(key) > this.#newest) node.classList.add("fresh");
    kept.set(key, { version, node });
    return node;
  }

  /** A row that is made anew keeps the focus, and what was uncovered in it. */
  #made(make, known) {
    const node = make();
    if (!known) return node;
    known.node.querySelectorAll(".spoiler").forEach((spoiler, index) => spoiler.classList.contains("shown") && node.querySelectorAll(".spoiler")[index]?.classList.add("shown"));
    if (known.node.contains(document.activeElement)) queueMicrotask(() => node.focus({ preventScroll: true }));
    return node;
  }

  #look(message, before, after) {
    return {
      as: this.#store.as,
      own: message.from.id === this.#store.as,
      first: !this.#together(before, message),
      last: !this.#together(message, after),
      name: this.#store.name(message.from),
      rank: this.#store.rank(message.from.id),
    };
  }

  #together(one, other) {
    if (!one || !other || isService(one) || isService(other)) return false;
    return one.from.id === other.from.id && other.date - one.date < TOGETHER_SECONDS && isSameDay(one.date, other.date);
  }

  #follow(opened, wasAtBottom) {
    const { messages } = this.#store;
    const newest = messages.at(-1);
    const isNew = newest && newest.message_id > this.#newest && !opened;
    const isOwn = newest?.from.id === this.#store.as;
    const { scrollHeight } = this.scroller;
    const isGrown = scrollHeight !== this.#height;
    this.#height = scrollHeight;
    // What did not grow is left alone: it may just be on its way to another place.
    if ((wasAtBottom && (opened || isGrown)) || (isNew && isOwn)) {
      this.toBottom(!opened && isNew);
      this.#below = 0;
    } else if (isNew) this.#below += messages.filter((message) => message.message_id > this.#newest).length;
    if (messages.length || !opened) this.#newest = Math.max(this.#newest, newest?.message_id ?? 0);
    this.#showJump();
  }

  #showJump() {
    this.isAtBottom = this.#isAtBottom();
    if (this.isAtBottom) this.#below = 0;
    this.jumpButton.classList.toggle("shown", !this.isAtBottom);
    this.jumpButton.tabIndex = this.isAtBottom ? -1 : 0;
    this.jumpBadge.textContent = this.#below || "";
    this.jumpBadge.hidden = !this.#below;
  }

  async #onScroll() {
    this.#showJump();
    if (this.scroller.scrollTop > 300 || this.#loading || !this.#store.hasMore) return;
    this.#loading = true;
    await this.#acts.older();
    this.#loading = false;
  }

  #onKey(event) {
    const rows = [...this.list.children].filter((row) => row.dataset.message);
    const index = rows.findIndex((row) => row.contains(event.target));
    const target = { ArrowUp: index < 0 ? rows.at(-1) : rows[index - 1], ArrowDown: rows[index + 1], Home: rows[0], End: rows.at(-1) }[event.key];
    if (event.altKey || event.target.closest("button, a")) return;
    if (target) {
      target.focus({ preventScroll: true });
      target.scrollIntoView({ block: "nearest" });
      event.preventDefault();
    } else if (event.key === "Enter" && index >= 0) {
      event.preventDefault();
      rows[index].querySelector(".quick .ask")?.click();
    }
  }

  #onDrop(event) {
    event.preventDefault();
    if (this.#store.topic && event.dataTransfer.files.length) this.#acts.files([...event.dataTransfer.files]);
  }

  #isAtBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < 80;
  }

  #key() {
    return `${this.#store.key}/${this.#store.isLoaded}`;
  }
}

/** Messages as they are shown: those of one album together. */
function albums(messages) {
  const units = [];
  for (const message of messages) {
    const last = units.at(-1);
    const isNext = message.media_group_id && last?.[0].media_group_id === message.media_group_id;
    if (isNext) last.push(message);
    else units.push([message]);
  }
  return units;
}
