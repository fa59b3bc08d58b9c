// What is left of the group's window, second by second: a place a call, each free again on its own.

import { h, place } from "./dom.js";

export class Budget {
  #cells = [];

  constructor() {
    this.whose = h("small");
    this.words = h("strong");
    this.next = h("small");
    this.cells = h("div.cells", { role: "img" });
    this.element = h("div.budget", {}, this.whose, h("div.budget-line", {}, this.words, this.next), this.cells);
  }

  /** `budget` is `{ calls, seconds, frees, until? }` or nothing where there is no limit; `bot` is named if there are several. */
  update(budget, now, bot) {
    this.whose.textContent = bot ? `Calls into this group by @${bot}` : "Calls into this group";
    this.cells.hidden = !budget;
    if (!budget) {
      this.words.textContent = "No limit";
      this.next.textContent = "";
      return;
    }
    const taken = budget.frees.filter((at) => at > now);
    const left = Math.max(budget.calls - taken.length, 0);
    this.words.textContent = `${left} of ${budget.calls} left`;
    this.next.textContent = this.#next(budget, taken, now);
    this.element.classList.toggle("refusing", budget.until > now);
    this.cells.setAttribute("aria-label", `${left} of ${budget.calls} calls left in ${budget.seconds} seconds`);
    this.#fill(budget, taken, now);
  }

  #next(budget, taken, now) {
    if (budget.until > now) return `refused for ${Math.ceil(budget.until - now)} s`;
    return taken.length ? `next free in ${Math.ceil(taken[0] - now)} s` : `in ${budget.seconds} s`;
  }

  #fill(budget, taken, now) {
    while (this.#cells.length < budget.calls) this.#cells.push(h("i"));
    const cells = this.#cells.slice(0, budget.calls);
    cells.forEach((cell, index) => {
      const frees = taken[index];
      const rest = frees === undefined ? 0 : Math.min((frees - now) / budget.seconds, 1);
      cell.style.setProperty("--rest", rest.toFixed(2));
      cell.classList.toggle("taken", frees !== undefined);
    });
    place(this.cells, cells);
  }
}
