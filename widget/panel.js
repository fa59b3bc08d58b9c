/** The window of the chat: its header, what is in it, and how it opens and closes. */
import { el, icon, set } from "./elements.js";

export class Panel {
  #strings;
  #name = el("div", { class: "name", dir: "auto" });
  #presence = el("div", { class: "presence", dir: "auto" });
  #monogram = el("div", { class: "monogram", "aria-hidden": "true" });
  #line = el("div", { class: "line", "data-part": "status-line", role: "status", hidden: true });

  /**
   * @param {import("./strings.js").Strings} strings
   * @param {{transcript: HTMLElement, composer: HTMLElement, close: () => void}} parts
   */
  constructor(strings, { transcript, composer, close }) {
    this.#strings = strings;
    const label = strings.say("close");
    const button = el("button", { type: "button", class: "close", "data-part": "close", "aria-label": label });
    button.append(icon("close"));
    button.addEventListener("click", close);
    const title = el("div", { class: "title" }, this.#name, this.#presence);
    const header = el("header", { class: "header" }, this.#monogram, title, button);
    this.element = el(
      "section",
      { class: "panel", "data-part": "panel", role: "dialog", tabindex: -1, inert: true },
      ...[header, transcript, this.#line, composer],
    );
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing) close();
    });
    this.title({});
  }

  /** @param {boolean} isOpen */
  open(isOpen) {
    set(this.element, "inert", !isOpen);
  }

  /** @param {{name?: string, operator?: string}} config of the project */
  title({ name, operator }) {
    const shown = name || this.#strings.say("chat");
    this.#name.textContent = shown;
    this.#presence.textContent = operator
      ? this.#strings.say("answeredBy", { name: operator })
      : this.#strings.say("presence");
    this.#monogram.replaceChildren(name ? firstLetter(name) : icon("chat"));
    set(this.element, "aria-label", shown);
  }

  /** @param {{kind: string, text: string}|null} status */
  status(status) {
    this.#line.hidden = !status;
    set(this.#line, "data-kind", status?.kind);
    const text = status?.text ?? "";
    if (this.#line.textContent !== text) this.#line.textContent = text;
  }

  /** Stays inside what a phone's keyboard leaves of the screen. */
  follow(viewport) {
    if (!viewport) return;
    const fit = () => {
      if (viewport.scale > 1.01) return;
      this.element.style.setProperty("--height", `${viewport.height}px`);
      this.element.style.setProperty("--top", `${viewport.offsetTop}px`);
    };
    for (const event of ["resize", "scroll"]) viewport.addEventListener(event, fit, { passive: true });
    fit();
  }
}

const firstLetter = (name) => [...name.trim()][0]?.toUpperCase() ?? "";
