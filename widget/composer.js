/** Where the visitor writes. Nothing that was typed is ever cut off or lost. */
import { el, icon, set } from "./elements.js";
import { LIMITS, clean, isBlank } from "./protocol.js";

const COUNTED_FROM = 200;
const LINES = 5;

export class Composer {
  #strings;
  #actions;
  #input;
  #send;
  #room = el("div", { class: "room", role: "status" });
  #prefilled = "";

  /**
   * @param {import("./strings.js").Strings} strings
   * @param {{send: (text: string) => boolean, typing: () => void, draft: (text: string) => void}} actions
   */
  constructor(strings, actions) {
    this.#strings = strings;
    this.#actions = actions;
    const words = strings.say("placeholder");
    this.#input = el("textarea", {
      ...{ "data-part": "input", rows: 1, dir: "auto", placeholder: words, "aria-label": words },
      ...{ enterkeyhint: "send", autocomplete: "off", autocapitalize: "sentences" },
    });
    const label = strings.say("send");
    this.#send = el("button", { type: "button", "data-part": "send", "aria-label": label }, icon("send"));
    const field = el("div", { class: "field" }, this.#input, this.#send);
    this.element = el("div", { class: "composer", "data-part": "composer" }, this.#room, field);
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#send.addEventListener("click", () => this.#submit());
    field.addEventListener("pointerdown", (event) => this.#keepFocus(event));
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    this.#input.value = text;
    this.fit();
    this.#actions.draft(text);
  }

  /** Puts words into the visitor's mouth, without taking their own away. */
  prefill(text) {
    const own = isBlank(this.text) || this.text === this.#prefilled ? "" : `${this.text}\n`;
    this.#prefilled = own ? "" : text;
    this.text = own + text;
  }

  focus() {
    this.#input.focus({ preventScroll: true });
    this.#input.setSelectionRange(this.text.length, this.text.length);
  }

  /** Grows with its text up to five lines; needs to be laid out. */
  fit() {
    const { style } = this.#input;
    style.setProperty("height", "auto");
    const { lineHeight, paddingTop, paddingBottom } = getComputedStyle(this.#input);
    const padding = parseFloat(paddingTop) + parseFloat(paddingBottom);
    const most = parseFloat(lineHeight) * LINES + padding;
    const { scrollHeight } = this.#input;
    if (scrollHeight) style.setProperty("height", `${Math.min(scrollHeight, most)}px`);
    style.setProperty("overflow-y", scrollHeight > most ? "auto" : "hidden");
    this.#count();
  }

  #typed() {
    this.fit();
    this.#actions.draft(this.text);
    if (!isBlank(this.text)) this.#actions.typing();
  }

  #key(event) {
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    if (this.#actions.send(this.text)) this.text = "";
    this.#input.focus({ preventScroll: true });
  }

  #count() {
    const left = LIMITS.text - clean(this.text).length;
    set(this.element, "data-full", left < 0);
    set(this.#input, "aria-invalid", left < 0 && "true");
    this.#send.disabled = left < 0 || isBlank(this.text);
    if (left >= COUNTED_FROM) this.#room.textContent = "";
    else if (left >= 0) this.#room.textContent = this.#strings.say("left", { n: left });
    else this.#room.textContent = this.#strings.say("tooLong", { n: -left });
  }

  /** A tap beside the text goes on writing; a tap on "send" does not close a phone's keyboard. */
  #keepFocus(event) {
    if (event.target === this.#input) return;
    event.preventDefault();
    if (event.target === event.currentTarget) this.#input.focus({ preventScroll: true });
  }
}
