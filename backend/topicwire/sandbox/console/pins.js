// The pinned message above the thread; a click leads to it, and the next click to the one pinned before it.

import { h, icon, iconButton } from "./dom.js";
import { summary } from "./words.js";

export class PinnedBar {
  #acts;
  #shown = null;
  #turn = 0;

  constructor(acts) {
    this.#acts = acts;
    this.label = h("strong");
    this.words = h("span", { dir: "auto" });
    this.element = h(
      "div.pinned",
      { hidden: true },
      icon("pin"),
      h("button.pinned-words", { type: "button", onclick: () => this.#next() }, this.label, this.words),
      iconButton("close", "Unpin", () => acts.unpin(this.#current())),
    );
  }

  render(topic) {
    if (this.#shown === topic.pinned) return;
    this.#shown = topic.pinned;
    this.#turn = 0;
    this.element.hidden = !topic.pinned;
    if (topic.pinned) this.#describe();
  }

  #current() {
    return this.#shown.at(-1 - (this.#turn % this.#shown.length));
  }

  #describe() {
    const place = this.#shown.length > 1 ? ` ${this.#shown.length - (this.#turn % this.#shown.length)} of ${this.#shown.length}` : "";
    this.label.textContent = `Pinned message${place}`;
    this.words.textContent = summary(this.#current());
  }

  #next() {
    this.#acts.jump(this.#current().message_id);
    this.#turn += 1;
    this.#describe();
  }
}
