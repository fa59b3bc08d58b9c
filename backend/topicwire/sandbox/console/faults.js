// Faults to switch on, and those that are on, with how many times they will still be met.

import { h, iconButton, place } from "./dom.js";
import { button } from "./parts.js";

const CALLS = [
  ["answer_lost", "Answer lost, took effect"],
  ["answer_never", "Never answered, took effect"],
  ["answer_late", "Answered late", "delay"],
  ["late", "Cut off, takes effect late", "delay"],
  ["reset", "Connection reset, no effect"],
  ["http_502", "502, the proxy’s page"],
  ["http_504", "504, empty"],
  ["http_500", "500"],
  ["restart", "500, restarting"],
  ["flood", "429 with a time", "retry_after"],
  ["flood_bare", "429 without a time"],
  ["fake_flood", "429 that is an outage"],
  ["refusal", "Refused in words", "description"],
];
const UPDATES = [
  ["update_duplicate", "Update twice"],
  ["update_late", "Update late", "delay"],
  ["update_reordered", "Updates out of order"],
  ["update_unknown_type", "Update of an unknown kind"],
  ["update_unknown_fields", "Update with unknown fields"],
];
const KINDS = [...CALLS, ...UPDATES];
const METHODS = [
  "sendMessage", "createForumTopic", "editForumTopic", "closeForumTopic", "reopenForumTopic", "deleteForumTopic",
  "editMessageText", "editMessageReplyMarkup", "deleteMessage", "sendChatAction", "getUpdates", "setWebhook",
];
const KINDS_OF_UPDATES = ["message", "edited_message", "message_reaction", "my_chat_member", "chat_member", "callback_query"];
const COUNTS = [["1", "once"], ["3", "3 times"], ["10", "10 times"], ["", "until cleared"]];
const REFUSALS = [
  "403 Forbidden: bot was kicked from the supergroup chat",
  "400 Bad Request: message thread not found",
  "400 Bad Request: TOPIC_CLOSED",
  "400 Bad Request: not enough rights to manage topics",
  "400 Bad Request: chat not found",
  "401 Unauthorized",
];

export class Faults {
  #store;
  #api;
  #attempt;
  #shown = null;

  constructor(store, api, attempt) {
    this.#store = store;
    this.#api = api;
    this.#attempt = attempt;
    this.kind = h("select", { "aria-label": "Fault", onchange: () => this.#suit() }, group("Calls", CALLS), group("Updates", UPDATES));
    this.target = select("Which ones", []);
    this.scope = select("Where", [["", "everywhere"], ["here", "in this group"]]);
    this.count = select("How often", COUNTS);
    this.seconds = h("input", { type: "number", min: 0, max: 3600, value: 10, "aria-label": "Seconds" });
    this.words = h("input", { type: "text", list: "refusals", value: REFUSALS[0], "aria-label": "Refusal", spellcheck: false });
    this.detail = h("div.fault-detail", {}, this.seconds, h("span", {}, "seconds"), this.words, h("datalist", { id: "refusals" }, REFUSALS.map((value) => h("option", { value }))));
    this.active = h("div.active-faults");
    this.clearAll = button("Clear all", () => attempt(api.clearFault()));
    this.form = h(
      "form.fault-form",
      { onsubmit: (event) => this.#add(event) },
      this.kind,
      this.detail,
      h("div.fault-line", {}, this.target, this.scope),
      h("div.fault-line", {}, this.count, h("button.text-button.strong", { type: "submit" }, "Switch on")),
    );
    this.title = h("summary", {}, "Let something go wrong");
    this.element = h("section.faults", {}, this.active, h("div.clear-all", {}, this.clearAll), h("details.fault-maker", {}, this.title, this.form));
    this.#suit();
  }

  render() {
    if (this.#shown === this.#store.faults) return;
    this.#shown = this.#store.faults;
    this.clearAll.parentNode.hidden = this.#shown.length < 2;
    place(this.active, this.#shown.map((fault) => this.#row(fault)));
  }

  #row(fault) {
    const [, name] = KINDS.find(([kind]) => kind === fault.kind) ?? [fault.kind, fault.kind];
    const left = fault.count === null ? "until cleared" : `${fault.count ?? 1} left`;
    const chat = fault.chat && (this.#store.chats.get(fault.chat)?.title ?? fault.chat);
    const detail = fault.kind === "refusal" ? (fault.description ?? "") : "";
    const more = [left, fault.met ? `${fault.met} met` : "", fault.method || fault.update, chat && `in ${chat}`, detail];
    return h(
      "div.fault",
      {},
      h("span", {}, h("strong", {}, name), h("small", {}, more.filter(Boolean).join(" · "))),
      iconButton("close", `Clear ${name}`, () => this.#attempt(this.#api.clearFault(fault.id))),
    );
  }

  /** Asks only for what this kind of fault needs. */
  #suit() {
    const [kind, , needs] = this.#chosen();
    const isUpdate = kind.startsWith("update");
    const names = isUpdate ? KINDS_OF_UPDATES : METHODS;
    this.target.replaceChildren(...options([["", isUpdate ? "any update" : "any call"], ...names.map((name) => [name, name])]));
    const isTimed = needs === "delay" || needs === "retry_after";
    this.seconds.hidden = this.seconds.nextSibling.hidden = !isTimed;
    if (isTimed) this.seconds.value = needs === "delay" ? 10 : 30;
    this.words.hidden = needs !== "description";
    this.detail.hidden = !needs;
  }

  #chosen() {
    return KINDS.find(([kind]) => kind === this.kind.value);
  }

  #add(event) {
    event.preventDefault();
    const [kind, , needs] = this.#chosen();
    const fault = { kind, count: this.count.value ? Number(this.count.value) : null };
    if (this.target.value) fault[kind.startsWith("update") ? "update" : "method"] = this.target.value;
    if (this.scope.value) fault.chat = this.#store.chatId;
    if (needs === "description") Object.assign(fault, refusal(this.words.value));
    else if (needs) fault[needs] = Number(this.seconds.value);
    return this.#attempt(this.#api.addFault(fault));
  }
}

/** "403 Forbidden: …" as `{ status, description }`; 400 where no number is given. */
function refusal(typed) {
  const [, status, description] = /^\s*(\d{3})?\s*(.*)$/.exec(typed);
  return { status: Number(status ?? 400), description };
}

const options = (list) => list.map(([value, text]) => h("option", { value }, text));

const group = (label, list) => h("optgroup", { label }, options(list));

function select(label, list) {
  return h("select", { "aria-label": label }, options(list));
}
