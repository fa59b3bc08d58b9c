// The right side: one topic's messages under its header.

import { bubble, dayPill } from "./bubbles.js";
import { h, icon, iconButton, place } from "./dom.js";
import { topicIcon } from "./figures.js";
import { count, isSameDay, isService } from "./words.js";

const TOGETHER_SECONDS = 300;

export class Thread {
  #store;
  #acts;
  #nodes = new Map();
  #shown = "";
  #newest = 0;
  #below = 0;
  #loading = false;

  constructor(store, acts, composer) {
    this.#store = store;
    this.#acts = acts;
    this.head = h("div.thread-title");
    this.menuButton = iconButton("more", "Topic menu", () => acts.topicMenu(this.menuButton, store.thread));
    this.list = h("div.messages", { role: "log", "aria-label": "Messages", tabIndex: 0 });
    this.scroller = h("div.scroller", { onscroll: () => this.#onScroll() }, this.list);
    this.jumpButton = h("button.to-bottom", { type: "button", title: "Newest messages", "aria-label": "Newest messages", onclick: () => this.toBottom(true) }, icon("down"), h("span.badge"));
    this.empty = h("div.nothing-open");
    this.element = h(
      "main.thread",
      {},
      h("header.bar", {}, iconButton("back", "Back to topics", () => acts.back(), ".back"), this.head, this.menuButton),
      h("div.body", {}, this.scroller, this.jumpButton, this.empty),
      composer.element,
    );
  }

  render() {
    const { topic, chat } = this.#store;
    this.element.classList.toggle("closed-for-nothing", !topic);
    this.empty.replaceChildren(...(topic ? [] : this.#nothing()));
    if (!topic || !chat) return;
    this.#renderHead(topic, chat);
    const opened = this.#shown !== this.#key();
    const wasAtBottom = opened || this.#isAtBottom();
    this.#shown = this.#key();
    if (opened) this.#newest = 0;
    place(this.list, this.#rows());
    this.#follow(opened, wasAtBottom);
  }

  toBottom(smooth = false) {
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior: smooth ? "smooth" : "instant" });
  }

  jump(messageId) {
    const row = this.list.querySelector(`[data-message="${messageId}"]`);
    if (!row) return;
    row.scrollIntoView({ block: "center", behavior: "smooth" });
    row.classList.remove("flash");
    requestAnimationFrame(() => row.classList.add("flash"));
  }

  #renderHead(topic, chat) {
    const isTyping = this.#store.isTyping(topic.id);
    const state = topic.closed ? "closed" : topic.id === 1 ? chat.title : count(topic.messages, "message");
    this.head.replaceChildren(
      topicIcon(topic),
      h("div.thread-words", {}, h("h1", {}, topic.name), isTyping ? h("small.typing", {}, "visitor is typing…") : h("small", {}, state)),
    );
    this.menuButton.hidden = topic.id === 1;
  }

  #nothing() {
    const { chat } = this.#store;
    if (!chat) return [h("span", {}, "Connecting…")];
    const hasVisitors = chat.topics.length > 1;
    if (hasVisitors) return [h("span", {}, "Select a topic to start answering")];
    const demo = this.#acts.demo;
    const icons = [[7322096, "Anna"], [9367192, "Bo"], [16749490, "Cleo"]];
    return [
      h(
        "div.welcome",
        {},
        h("div.welcome-art", {}, icons.map(([color, name]) => topicIcon({ id: 0, name, icon_color: color }))),
        h("h2", {}, "No visitor has written yet."),
        h("p", {}, "Open the demo shop and say hello. Each visitor becomes a topic here."),
        demo ? h("a.big-button", { href: demo, target: "_blank", rel: "noopener" }, "Open the demo shop", icon("open")) : null,
      ),
    ];
  }

  #rows() {
    const { messages } = this.#store;
    const rows = [];
    const kept = new Map();
    messages.forEach((message, index) => {
      const before = messages[index - 1];
      if (!before || !isSameDay(before.date, message.date)) rows.push(this.#kept(kept, `day${message.date}`, "", () => dayPill(message.date)));
      const look = this.#look(message, before, messages[index + 1]);
      const version = JSON.stringify([message, look]);
      rows.push(this.#kept(kept, message.message_id, version, () => bubble(message, { ...look, nameOf: (person) => this.#store.name(person) }, this.#acts)));
    });
    this.#nodes = kept;
    return rows;
  }

  /** The node of an earlier rendering if nothing about it changed. */
  #kept(kept, key, version, make) {
    const known = this.#nodes.get(key);
    const node = known?.version === version ? known.node : make();
    if (!known && this.#newest && Number(key) > this.#newest) node.classList.add("fresh");
    kept.set(key, { version, node });
    return node;
  }

  #look(message, before, after) {
    return {
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
    if (wasAtBottom || (isNew && isOwn)) {
      this.toBottom(!opened && isNew);
      this.#below = 0;
    } else if (isNew) this.#below += 1;
    this.#newest = newest?.message_id ?? 0;
    this.#showJump();
  }

  #showJump() {
    const far = !this.#isAtBottom();
    if (!far) this.#below = 0;
    this.jumpButton.classList.toggle("shown", far);
    const badge = this.jumpButton.querySelector(".badge");
    badge.textContent = this.#below || "";
    badge.hidden = !this.#below;
  }

  async #onScroll() {
    this.#showJump();
    if (this.scroller.scrollTop > 200 || this.#loading || !this.#store.hasMore) return;
    this.#loading = true;
    const height = this.scroller.scrollHeight - this.scroller.scrollTop;
    await this.#acts.older();
    this.scroller.scrollTop = this.scroller.scrollHeight - height;
    this.#loading = false;
  }

  #isAtBottom() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < 80;
  }

  #key() {
    return `${this.#store.chatId}/${this.#store.thread}/${this.#store.isLoaded}`;
  }
}
