// The panel of the Bot API: the sandbox's clock, what is left of the window, faults, and the calls as they come.

import { Budget } from "./budget.js";
import { Calls } from "./calls.js";
import { h, iconButton, place } from "./dom.js";
import { Faults } from "./faults.js";
import { button } from "./parts.js";

const KEPT_CALLS = 300;
const TICK_MILLISECONDS = 500;

export class Drawer {
  #store;
  #api;
  #attempt;
  #budgets = new Map();

  constructor(store, api, { attempt, close }) {
    this.#store = store;
    this.#api = api;
    this.#attempt = attempt;
    this.clock = h("time.clock", { title: "The sandbox’s clock" });
    this.advance = h("div.advance", { hidden: true }, [1, 10, 60].map((seconds) => button(`+${seconds} s`, () => attempt(api.advance(seconds)))));
    this.budgets = h("div.budgets");
    this.faults = new Faults(store, api, attempt);
    this.calls = new Calls(store);
    this.element = h(
      "aside.panel.drawer",
      { "aria-label": "Bot API calls and faults" },
      h("header.bar", {}, h("h2", {}, "Bot API"), this.clock, iconButton("close", "Close the drawer", close)),
      this.advance,
      this.budgets,
      this.faults.element,
      this.calls.element,
    );
    setInterval(() => this.#tick(), TICK_MILLISECONDS);
  }

  async refresh() {
    await this.#attempt(this.#api.calls(KEPT_CALLS).then(({ calls }) => this.#store.showCalls(calls)));
  }

  render() {
    this.advance.hidden = !this.#store.isDriven;
    this.faults.render();
    this.calls.render();
    this.#tick();
  }

  /** Time goes by without an event. */
  #tick() {
    const { chat, bot } = this.#store;
    if (this.element.hidden || !chat) return;
    const now = this.#store.now();
    this.clock.textContent = new Date(now * 1000).toLocaleTimeString([], { hour12: false });
    const shown = chat.bots.filter((role) => role.id === bot.id || role.budget?.frees.some((at) => at > now));
    place(this.budgets, shown.map((role) => this.#budget(role, shown.length > 1, now)));
  }

  #budget(role, isNamed, now) {
    const budget = this.#budgets.get(role.id) ?? new Budget();
    this.#budgets.set(role.id, budget);
    budget.update(role.budget, now, isNamed ? this.#store.people.get(role.id)?.username : null);
    return budget.element;
  }
}
