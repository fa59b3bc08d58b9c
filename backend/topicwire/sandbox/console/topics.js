// The left side: the group and its topics, the liveliest first.

import { h, icon, iconButton, place } from "./dom.js";
import { topicIcon } from "./figures.js";
import { listDate, serviceText, summary } from "./words.js";

export class TopicList {
  #store;
  #acts;
  #rows = new Map();
  #search = "";

  constructor(store, acts) {
    this.#store = store;
    this.#acts = acts;
    this.title = h("button.group-title", { type: "button", onclick: () => acts.chooseChat(this.title) });
    this.list = h("nav.topics", { "aria-label": "Topics", onkeydown: (event) => this.#onKey(event) });
    this.link = h("div.link-state", { role: "status" });
    this.filter = h("input", { type: "search", placeholder: "Search topics", "aria-label": "Search topics", oninput: () => this.#filter() });
    this.element = h(
      "aside.sidebar",
      {},
      h(
        "header.bar",
        {},
        this.title,
        iconButton("pulse", "Bot API calls and faults", () => acts.drawer()),
        iconButton("tune", "Group and bot settings", () => acts.settings()),
        iconButton("pencil", "New topic", () => acts.newTopic()),
      ),
      h("label.search", {}, icon("search"), this.filter),
      this.link,
      this.list,
      h("footer.sandbox-note", { title: "Messages stay on this machine. No real Telegram is involved." }, h("b", {}, "Sandbox"), " This is not Telegram. Nothing leaves this machine."),
    );
  }

  render() {
    const { chat, linked } = this.#store;
    if (!chat) return;
    this.title.replaceChildren(
      h("span.group-avatar", { "aria-hidden": "true" }, [...chat.title][0].toUpperCase()),
      h("span.group-words", {}, h("strong", {}, chat.title), h("small", {}, this.#subtitle(chat))),
    );
    this.link.textContent = linked === false ? "Connection lost. Trying again…" : "";
    const topics = chat.topics.filter((topic) => topic.name.toLowerCase().includes(this.#search));
    const rows = topics.map((topic) => this.#row(topic));
    if (chat.topics.length <= 1 && chat.is_forum && !this.#search) rows.push(this.#empty());
    if (!rows.length) rows.push(h("p.none", {}, "No topic has that name."));
    place(this.list, rows);
  }

  #subtitle(chat) {
    const people = chat.members.filter((member) => !["left", "kicked"].includes(member.status));
    return `${people.length - 1} members · switch group`;
  }

  #row(topic) {
    const isCurrent = topic.id === this.#store.thread;
    const isTyping = this.#store.isTyping(topic.id);
    const version = JSON.stringify([topic, isCurrent, isTyping]);
    const key = `${this.#store.chatId}/${topic.id}`;
    const known = this.#rows.get(key);
    if (known?.version === version) return known.element;
    const element = known?.element ?? this.#newRow(topic);
    element.classList.toggle("current", isCurrent);
    if (isCurrent) element.setAttribute("aria-current", "page");
    else element.removeAttribute("aria-current");
    element.replaceChildren(...this.#rowContent(topic, isTyping));
    this.#rows.set(key, { version, element });
    return element;
  }

  #newRow(topic) {
    const row = h("button.topic", { type: "button", "data-topic": topic.id, onclick: () => this.#acts.open(topic.id) });
    row.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      this.#acts.topicMenu({ x: event.clientX, y: event.clientY }, topic.id);
    });
    return row;
  }

  #rowContent(topic, isTyping) {
    const last = topic.last;
    return [
      topicIcon(topic),
      h(
        "span.topic-words",
        {},
        h(
          "span.topic-line",
          {},
          h("strong", {}, topic.name),
          topic.closed ? h("span.closed", { title: "Closed" }, icon("lock")) : null,
          last ? h("time", {}, listDate(last.date)) : null,
        ),
        h(
          "span.topic-line.second",
          {},
          isTyping ? h("span.preview.typing", {}, "typing…") : this.#preview(topic, last),
          topic.unread ? h("span.badge", { "aria-label": `${topic.unread} unread` }, topic.unread > 999 ? "999+" : String(topic.unread)) : null,
        ),
      ),
    ];
  }

  #preview(topic, last) {
    if (!last) return h("span.preview", {}, topic.id === 1 ? "For the team: no visitor reads this" : "No messages");
    const service = serviceText(last, last.from.first_name);
    if (service) return h("span.preview", {}, service);
    const who = last.from.id === this.#store.as ? "You" : this.#store.name(last.from).split(" ")[0];
    return h("span.preview", {}, h("span.who", {}, `${who}: `), summary(last));
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

  #onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const rows = [...this.list.querySelectorAll(".topic")];
    rows.at(rows.indexOf(document.activeElement) + step)?.focus();
    event.preventDefault();
  }
}
