// The bots' calls with their answers, the newest first.

import { h, place } from "./dom.js";

const HELD_SECONDS = 0.5;

export class Calls {
  #store;
  #rows = new Map();
  #shown = null;
  #wanted = "";
  #isOnlyTrouble = false;

  constructor(store) {
    this.#store = store;
    this.filter = h("input", { type: "search", placeholder: "Filter by method or text", "aria-label": "Filter calls", oninput: () => this.#narrow() });
    this.trouble = h("input", { type: "checkbox", onchange: () => this.#narrow() });
    this.list = h("div.call-list", { role: "log", "aria-label": "Calls", tabIndex: 0 });
    this.element = h(
      "section.calls",
      {},
      h("div.call-filter", {}, this.filter, h("label", {}, this.trouble, "Refused only")),
      this.list,
    );
  }

  render() {
    if (this.#shown === this.#store.calls) return;
    this.#shown = this.#store.calls;
    const kept = new Map(this.#shown.map((call) => [call.n, this.#rows.get(call.n) ?? this.#row(call)]));
    this.#rows = kept;
    const fitting = this.#shown.filter((call) => this.#fits(call)).map((call) => kept.get(call.n));
    const isAway = this.list.scrollTop > 4;
    const height = this.list.scrollHeight;
    place(this.list, fitting.length ? fitting.reverse() : [this.#nothing()]);
    // Who reads further down is not pushed on by what comes in above.
    if (isAway) this.list.scrollTop += this.list.scrollHeight - height;
  }

  #nothing() {
    this.empty ??= h("p.none");
    this.empty.textContent = this.#shown.length ? "No call fits." : "No bot has called yet.";
    return this.empty;
  }

  #narrow() {
    this.#wanted = this.filter.value.trim().toLowerCase();
    this.#isOnlyTrouble = this.trouble.checked;
    this.#shown = null;
    this.render();
  }

  #fits(call) {
    if (this.#isOnlyTrouble && call.accepted && !call.fault) return false;
    return !this.#wanted || `${call.method} ${JSON.stringify(call.params)}`.toLowerCase().includes(this.#wanted);
  }

  #row(call) {
    const time = new Date(call.at * 1000).toLocaleTimeString([], { hour12: false });
    const held = call.done - call.at;
    const row = h(
      `details.call${call.accepted ? "" : ".refused"}`,
      { "data-call": call.n },
      h(
        "summary",
        {},
        h("span.call-status", {}, call.status ? String(call.status) : "—"),
        h(
          "span.call-words",
          {},
          h("span.call-line", {}, h("strong", {}, call.method), call.fault ? h("em", {}, call.fault) : null, held > HELD_SECONDS ? h("span.held", { title: "Held before it was answered" }, `${held.toFixed(1)} s`) : null, h("time", {}, time)),
          h("small", { dir: "auto" }, call.answer?.description ?? this.#gist(call)),
        ),
      ),
    );
    // What an opened call holds is made when it is opened: most never are.
    row.addEventListener("toggle", () => row.childElementCount === 1 && row.append(...details(call)));
    return row;
  }

  /** Where it goes and what it says, in a line. */
  #gist({ params, bot }) {
    const chat = this.#store.chats.get(Number(params.chat_id));
    const topic = chat?.topics.find(({ id }) => id === Number(params.message_thread_id));
    const who = bot && bot !== this.#store.bot?.id ? `@${this.#store.people.get(bot)?.username}` : "";
    const where = topic?.name ?? (chat && chat.id !== this.#store.chatId ? chat.title : "");
    const what = params.text ?? params.caption ?? params.name ?? params.action ?? params.url ?? (params.message_id ? `message ${params.message_id}` : "");
    return [who, where, String(what).replaceAll("\n", " ")].filter(Boolean).join(" · ");
  }
}

function details(call) {
  const answer = call.answer?.result ?? call.answer;
  return [
    call.answer?.description ? h("p.call-why", {}, call.answer.description) : null,
    h("h4", {}, "Asked"),
    h("pre", {}, JSON.stringify(call.params, null, 1)),
    h("h4", {}, call.fault ? "Answer, as decided" : "Answered"),
    h("pre", {}, JSON.stringify(answer, null, 1) ?? ""),
  ].filter(Boolean);
}
