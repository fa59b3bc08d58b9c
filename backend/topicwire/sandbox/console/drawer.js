// The drawer on the right: the bots' calls as they come, what is left of the window, faults to switch on.

import { h, iconButton, place } from "./dom.js";

const KINDS = [
  ["answer_lost", "Answer lost (it took effect)"],
  ["answer_never", "Never answered (it took effect)"],
  ["reset", "Connection reset before"],
  ["late", "Takes effect late"],
  ["answer_late", "Answered late"],
  ["http_502", "502, the proxy’s page"],
  ["http_504", "504, nothing in it"],
  ["http_500", "500"],
  ["restart", "500, restarting"],
  ["flood", "429, retry after 30"],
  ["flood_bare", "429 without a time"],
  ["fake_flood", "429 that is an outage"],
  ["update_duplicate", "An update twice"],
  ["update_late", "An update late"],
  ["update_reordered", "Updates out of order"],
  ["update_unknown_type", "An update of an unknown kind"],
  ["update_unknown_fields", "An update with unknown fields"],
];
const METHODS = ["sendMessage", "createForumTopic", "editForumTopic", "editMessageText", "editMessageReplyMarkup", "sendChatAction", "getUpdates", "setWebhook"];
const COUNTS = [["1", "once"], ["3", "three times"], ["", "until cleared"]];

export class Drawer {
  #store;
  #api;
  #attempt;
  #rows = new Map();
  #shown = null;

  constructor(store, api, attempt) {
    this.#store = store;
    this.#api = api;
    this.#attempt = attempt;
    this.budget = h("div.budget");
    this.kind = select("Fault", KINDS);
    this.method = select("Method", [["", "any call"], ...METHODS.map((name) => [name, name])]);
    this.count = select("How often", COUNTS);
    this.active = h("div.faults");
    this.calls = h("div.calls", { role: "log", "aria-label": "Calls" });
    this.element = h(
      "aside.drawer",
      { hidden: true, "aria-label": "Bot API calls and faults" },
      h("header.bar", {}, h("h2", {}, "Bot API"), iconButton("close", "Close the drawer", () => this.toggle())),
      this.budget,
      h("form.fault-form", { onsubmit: (event) => this.#add(event) }, this.kind, h("div.fault-line", {}, this.method, this.count, h("button.text-button", { type: "submit" }, "Switch on"))),
      this.active,
      this.calls,
    );
  }

  async toggle() {
    this.element.hidden = !this.element.hidden;
    if (this.element.hidden) return;
    await this.#attempt(this.#api.calls().then(({ calls }) => this.#store.showCalls(calls)));
  }

  render() {
    if (this.element.hidden) return;
    this.#renderBudget();
    place(this.active, this.#store.faults.map((fault) => this.#fault(fault)));
    if (this.#shown === this.#store.calls) return;
    this.#shown = this.#store.calls;
    place(this.calls, this.#store.calls.map((call) => this.#call(call)).reverse());
  }

  #renderBudget() {
    const budget = this.#store.chat?.budget;
    if (!budget) return this.budget.replaceChildren(h("span", {}, "This group has no limit"));
    const meter = h("meter", { min: 0, max: budget.calls, low: budget.calls / 4, value: budget.left, "aria-label": "Calls left" });
    this.budget.replaceChildren(h("span", {}, `${budget.left} of ${budget.calls} calls left in ${budget.seconds} s`), meter);
  }

  #fault(fault) {
    const name = KINDS.find(([kind]) => kind === fault.kind)?.[1] ?? fault.kind;
    const more = [fault.method, fault.count === null ? "until cleared" : `${fault.count ?? 1} more`].filter(Boolean).join(", ");
    return h("div.fault", {}, h("span", {}, name, h("small", {}, more)), iconButton("close", `Clear ${name}`, () => this.#attempt(this.#api.clearFault(fault.id))));
  }

  #call(call) {
    const known = this.#rows.get(call.n);
    if (known) return known;
    const time = new Date(call.at * 1000).toLocaleTimeString([], { hour12: false });
    const answer = JSON.stringify(call.answer?.result ?? call.answer, null, 1);
    const row = h(
      `details.call${call.accepted ? "" : ".refused"}${call.fault ? ".faulty" : ""}`,
      {},
      h("summary", {}, h("span.call-status", {}, String(call.status || "—")), h("strong", {}, call.method), call.fault ? h("em", {}, call.fault) : null, h("time", {}, time)),
      h("p.call-why", { hidden: !call.answer?.description }, call.answer?.description ?? ""),
      h("pre", {}, JSON.stringify(call.params, null, 1)),
      h("pre", {}, answer ?? ""),
    );
    this.#rows.set(call.n, row);
    if (this.#rows.size > 400) this.#rows.delete(this.#rows.keys().next().value);
    return row;
  }

  #add(event) {
    event.preventDefault();
    const kind = this.kind.value;
    const count = this.count.value ? Number(this.count.value) : null;
    const method = kind.startsWith("update") ? "" : this.method.value;
    return this.#attempt(this.#api.addFault({ kind, method, count }));
  }
}

function select(label, options) {
  return h("select", { "aria-label": label }, options.map(([value, text]) => h("option", { value }, text)));
}
