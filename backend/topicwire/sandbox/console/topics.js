// The left side: the group and its topics, the liveliest first.

import { h, icon, iconButton, place } from "./dom.js";
import { firstCharacter, topicIcon } from "./figures.js";
import { panelButtons } from "./panels.js";
import { onMenu } from "./press.js";
import { keyOf } from "./store.js";
import { count, listDate, serviceText, summary } from "./words.js";

export class TopicList {
  #store;
  #acts;
  #rows = new Map();
  #search = "";

  constructor(store, acts) {
    this.#store = store;
    this.#acts = acts;
    this.avatar = h("span.group-avatar", { "aria-hidden": "true" });
    this.name = h("strong", { dir: "auto" });
    this.about = h("small");
    this.elsewhere = h("span.badge", { hidden: true });
    this.title = h(
      "button.group-title",
      { type: "button", title: "Switch group", "aria-haspopup": "menu", onclick: () => acts.groups(this.title) },
      this.avatar,
      h("span.group-words", {}, h("span.group-name", {}, this.name, icon("down")), this.about),
      this.elsewhere,
    );
    this.list = h("nav.topics", { "aria-label": "Topics", onkeydown: (event) => this.#onKey(event) });
    this.link = h("div.link-state", { role: "status" });
    this.filter = h("input", {
      type: "search",
      placeholder: "Search topics",
      "aria-label": "Search topics",
      oninput: () => this.#filter(),
      onkeydown: (event) => this.#onFilterKey(event),
    });
    this.element = h(
      "aside.sidebar",
      {},
      h("header.bar", {}, this.title, panelButtons(acts), (this.newButton = iconButton("pencil", "New topic", () => acts.newTopic()))),
      h("label.search", {}, icon("search"), this.filter),
      this.link,
      this.list,
      h("footer.sandbox-note", { title: "Messages stay on this machine. No real Telegram is involved." }, h("b", {}, "Sandbox"), " Not Telegram: all stays on this machine."),
    );
  }

  render() {
    const { chat, linked } = this.#store;
    this.link.textContent = linked === false ? "Connection lost. Trying again…" : "";
    if (!chat) return;
    this.#renderTitle(chat);
    this.newButton.hidden = !chat.is_forum;
    const rows = this.#found(chat).map((topic) => this.#row(topic));
    if (chat.topics.length <= 1 && chat.is_forum && !this.#search) rows.push(this.#empty());
    if (!rows.length) rows.push(h("p.none", {}, "No topic has that name."));
    place(this.list, rows);
  }

  /** The topic that stands `step` lines from one; the first or last where none is open. */
  beside(thread, step) {
    const ids = this.#found(this.#store.chat).map((topic) => topic.id);
    const index = ids.indexOf(thread);
    if (index < 0) return ids.at(step > 0 ? 0 : -1);
    return ids[index + step];
  }

  #found(chat) {
    return chat.topics.filter((topic) => !topic.hidden && topic.name.toLowerCase().includes(this.#search));
  }

  #renderTitle(chat) {
    const others = this.#store.groups.filter((each) => each.id !== chat.id).reduce((sum, each) => sum + this.#store.unread(each), 0);
    this.avatar.textContent = firstCharacter(chat.title);
    this.name.textContent = chat.title;
    this.about.textContent = count(this.#store.memberCount, "member");
    this.elsewhere.hidden = !others;
    this.elsewhere.textContent = short(others);
    this.elsewhere.setAttribute("aria-label", `${others} unread in other groups`);
  }

  #row(topic) {
    const { chatId, as } = this.#store;
    const key = keyOf(chatId, topic.id);
    const look = {
      topic,
      as,
      isCurrent: topic.id === this.#store.thread,
      isTyping: this.#store.isTyping(topic.id),
      // What is being typed is shown where it is typed.
      draft: topic.id === this.#store.thread ? "" : this.#acts.draft(key),
    };
    const known = this.#rows.get(key);
    if (known && isSame(known.look, look)) return known.element;
    const element = known?.element ?? this.#newRow(topic);
    element.classList.toggle("current", look.isCurrent);
    if (look.isCurrent) element.setAttribute("aria-current", "page");
    else element.removeAttribute("aria-current");
    element.replaceChildren(...this.#rowContent(look));
    this.#rows.set(key, { look, element });
    return element;
  }

  #newRow(topic) {
    const row = h("button.topic", { type: "button", "data-topic": topic.id, onclick: () => this.#acts.open(topic.id) });
    onMenu(row, (_, at) => this.#acts.topicMenu(at, topic.id));
    return row;
  }

  #rowContent({ topic, isTyping, draft }) {
    const last = topic.last;
    return [
      topicIcon(topic),
      h(
        "span.topic-words",
        {},
        h(
          "span.topic-line",
          {},
          h("strong", { dir: "auto" }, topic.name),
          topic.closed ? h("span.closed", { title: "Closed", role: "img", "aria-label": "Closed" }, icon("lock")) : null,
          last ? h("time", {}, listDate(last.date)) : null,
        ),
        h(
          "span.topic-line.second",
          {},
          isTyping ? h("span.preview.typing", {}, "typing…") : draft ? this.#draft(draft) : this.#preview(topic, last),
          topic.pinned && !topic.unread ? h("span.pinned-mark", { title: "Has a pinned message" }, icon("pin")) : null,
          topic.unread ? h("span.badge", { "aria-label": `${topic.unread} unread` }, short(topic.unread)) : null,
        ),
      ),
    ];
  }

  #draft(text) {
    return h("span.preview", { dir: "auto" }, h("span.who.draft", {}, "Draft: "), text.replaceAll("\n", " "));
  }

  #preview(topic, last) {
    if (!last) return h("span.preview", {}, topic.id === 1 && this.#store.chat.is_forum ? "For the team: no visitor reads this" : "No messages");
    const service = serviceText(last, last.from.first_name);
    if (service) return h("span.preview", { dir: "auto" }, service);
    const who = last.from.id === this.#store.as ? "You" : this.#store.name(last.from).split(" ")[0];
    return h("span.preview", {}, h("span.who", {}, `${who}: `), h("bdi", {}, summary(last)));
  }

  #empty() {
    const demo = this.#acts.demo;
    return h(
      "div.empty-list",
      {},
      h("p", {}, "No visitor has written yet."),
      demo
        ? h("p", {}, h("a", { href: demo, target: "_blank", rel: "noopener" }, "Open the demo shop"), " and say hello.")
        : h("p", {}, "Open the demo shop and say hello."),
    );
  }

  #filter() {
    this.#search = this.filter.value.trim().toLowerCase();
    this.render();
  }

  #onFilterKey(event) {
    const first = this.list.querySelector(".topic");
    if (event.key === "ArrowDown") first?.focus();
    else if (event.key === "Enter") first?.click();
    else if (event.key === "Escape" && this.filter.value) this.filter.value = "";
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#filter();
  }

  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey) return;
    const rows = [...this.list.querySelectorAll(".topic")];
    const index = rows.indexOf(document.activeElement) + step;
    (index < 0 ? this.filter : rows[index])?.focus();
    event.preventDefault();
  }
}

const short = (n) => (n > 999 ? "999+" : String(n));

const isSame = (one, other) => Object.keys(one).every((name) => one[name] === other[name]);
