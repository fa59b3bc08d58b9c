// What stands in the middle while no topic is open.

import { h, icon } from "./dom.js";
import { topicIcon } from "./figures.js";

const VISITORS = [[7322096, "Anna"], [9367192, "Bo"], [16749490, "Cleo"]];

export class Nothing {
  #store;
  #demo;

  constructor(store, demo) {
    this.#store = store;
    this.#demo = demo;
    this.element = h("div.nothing-open");
  }

  render() {
    const { topic, chat } = this.#store;
    const look = topic ? "" : !chat ? "Connecting…" : chat.topics.length > 1 ? "Select a topic to start answering" : "welcome";
    if (this.element.dataset.look === look) return;
    this.element.dataset.look = look;
    const shown = look === "welcome" ? this.#welcome() : look && h("span", {}, look);
    this.element.replaceChildren(...(shown ? [shown] : []));
  }

  #welcome() {
    return h(
      "div.welcome",
      {},
      h("div.welcome-art", {}, VISITORS.map(([color, name]) => topicIcon({ id: 0, name, icon_color: color }))),
      h("h2", {}, "No visitor has written yet."),
      h("p", {}, "Open the demo shop and say hello. Each visitor becomes a topic here."),
      this.#demo ? h("a.big-button", { href: this.#demo, target: "_blank", rel: "noopener" }, "Open the demo shop", icon("open")) : null,
    );
  }
}
