/** One message on the page. Updates only what has changed, so that a selection survives. */
import { el, icon, set } from "./elements.js";
import { isJumbo, runs } from "./entities.js";

const TAGS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strike: "s",
  code: "code",
  pre: "pre",
  link: "a",
  spoiler: "span",
  quote: "blockquote",
};

export class MessageView {
  element = el("div", { class: "message", "data-part": "message", role: "listitem" });
  #strings;
  #actions;
  #text = el("div", { class: "text", "data-part": "text", dir: "auto" });
  #quote = el("button", { class: "reply", type: "button", dir: "auto", hidden: true });
  #author = el("div", { class: "author", dir: "auto" });
  #meta = el("div", { class: "meta" });
  #problem = el("div", { class: "problem", hidden: true });
  #shown = "";

  /**
   * @param {import("./strings.js").Strings} strings
   * @param {{retry: (id: string) => void, show: (seq: number) => void}} actions
   */
  constructor(strings, actions) {
    this.#strings = strings;
    this.#actions = actions;
    const bubble = el("div", { class: "bubble" }, this.#quote, this.#text);
    this.element.append(this.#author, bubble, this.#meta, this.#problem);
  }

  /** @param {{item: object, first: boolean, last: boolean, meta: boolean, quoted?: object}} row */
  update({ item, first, last, meta, quoted }) {
    set(this.element, "data-seq", item.seq);
    set(this.element, "data-state", item.state);
    set(this.element, "data-from", item.from);
    this.element.classList.toggle("first", first);
    this.element.classList.toggle("last", last);
    this.element.classList.toggle("deleted", Boolean(item.deleted));
    this.#author.textContent = first && item.from === "operator" ? (item.author ?? "") : "";
    this.#showText(item);
    this.#showQuote(quoted);
    this.element.classList.toggle("jumbo", !item.deleted && !quoted && isJumbo(item.text ?? ""));
    this.#showMeta(item, meta);
    this.#showProblem(item);
  }

  #showText({ text = "", entities, deleted }) {
    const content = JSON.stringify([text, entities, deleted]);
    if (content === this.#shown) return;
    this.#shown = content;
    if (deleted) this.#text.textContent = this.#strings.say("deleted");
    else this.#text.replaceChildren(...runs(text, entities).map((run) => this.#node(run)));
  }

  #node(run) {
    if (typeof run === "string") return run;
    const element = el(TAGS[run.type], {}, ...run.children.map((child) => this.#node(child)));
    if (run.type === "link") this.#asLink(element, run.url);
    if (run.type === "spoiler") this.#asSpoiler(element);
    return element;
  }

  #asLink(element, url) {
    set(element, "href", url);
    set(element, "target", "_blank");
    set(element, "rel", "noopener noreferrer nofollow");
    if (element.textContent !== url) set(element, "title", url);
  }

  #asSpoiler(element) {
    const attributes = { class: "spoiler", role: "button", tabindex: 0 };
    for (const [name, value] of Object.entries(attributes)) set(element, name, value);
    set(element, "aria-label", this.#strings.say("spoiler"));
    const reveal = (event) => {
      if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      for (const name of Object.keys(attributes)) set(element, name, undefined);
      set(element, "aria-label", undefined);
    };
    element.addEventListener("click", reveal, { once: true });
    element.addEventListener("keydown", reveal);
  }

  #showQuote(quoted) {
    this.#quote.hidden = !quoted;
    if (!quoted) return;
    const text = quoted.deleted ? this.#strings.say("deleted") : (quoted.text ?? "");
    const author = quoted.from === "visitor" ? this.#strings.say("you") : quoted.author;
    this.#quote.replaceChildren(el("b", {}, author ?? ""), el("span", {}, text.slice(0, 160)));
    set(this.#quote, "aria-label", this.#strings.say("quoted", { text: text.slice(0, 80) }));
    this.#quote.onclick = () => this.#actions.show(quoted.seq);
  }

  #showMeta({ at, state, edited, deleted, from }, wanted) {
    set(this.element, "title", this.#strings.moment(at));
    this.#meta.hidden = !wanted || from === "system";
    const ticks = state && state !== "failed" && !deleted;
    this.#meta.replaceChildren(
      edited && !deleted ? el("span", {}, this.#strings.say("edited")) : "",
      el("time", { datetime: at }, this.#strings.time(at)),
      ticks ? this.#tick(state) : "",
    );
  }

  #tick(state) {
    const label = this.#strings.say(state);
    return el("span", { class: "tick", role: "img", "aria-label": label, title: label }, icon(state));
  }

  #showProblem({ id, state, reason }) {
    const failed = state === "failed";
    this.#problem.hidden = !failed;
    if (!failed) return this.#problem.replaceChildren();
    const again = el("button", { type: "button", "data-part": "retry" }, this.#strings.say("retry"));
    again.onclick = () => this.#actions.retry(id);
    const words = el("span", {}, reason || this.#strings.say("failed"), " ", again);
    return this.#problem.replaceChildren(icon("failed"), words);
  }
}
