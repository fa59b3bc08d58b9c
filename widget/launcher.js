/** The bubble in the corner, with the number of unread answers. */
import { el, icon, set } from "./elements.js";

const MOST = 99;

export class Launcher {
  #strings;
  #badge = el("span", { class: "badge", "data-part": "badge", "aria-hidden": "true", hidden: true });

  /**
   * @param {import("./strings.js").Strings} strings
   * @param {() => void} toggle
   */
  constructor(strings, toggle) {
    this.#strings = strings;
    this.element = el(
      "button",
      { class: "launcher", type: "button", "data-part": "launcher", "aria-haspopup": "dialog" },
      icon("chat"),
      icon("down"),
      this.#badge,
    );
    this.element.addEventListener("click", toggle);
    this.update({ isOpen: false, unread: 0 });
  }

  /** @param {{isOpen: boolean, unread: number}} now */
  update({ isOpen, unread }) {
    const label = this.#strings.say(isOpen ? "close" : "open");
    const waiting = unread > 0 ? `, ${this.#strings.count("unread", unread)}` : "";
    set(this.element, "aria-label", label + waiting);
    set(this.element, "aria-expanded", String(isOpen));
    this.#badge.hidden = unread === 0;
    this.#badge.textContent = unread > MOST ? `${MOST}+` : String(unread);
  }

  focus() {
    this.element.focus({ preventScroll: true });
  }
}
