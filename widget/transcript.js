/** The messages on the page: keeps the reader's place while they come and go around it. */
import { el } from "./elements.js";
import { MessageView } from "./message.js";
import { rowsOf } from "./rows.js";

const NEAR = 48;

export class Transcript {
  #strings;
  #actions;
  #views = new Map();
  #greeting = el("div", { class: "text", dir: "auto" });
  #intro = el("div", { class: "message first intro" });
  #older = el("div", { class: "older" });
  #list = el("div", { class: "list", role: "list" });
  #newest;
  #scroller;
  #isAtEnd = true;
  #isDrawn = false;

  /**
   * @param {import("./strings.js").Strings} strings
   * @param {{retry: (id: string) => void, top: () => void, end: () => void}} actions
   */
  constructor(strings, actions) {
    this.#strings = strings;
    this.#actions = { ...actions, show: (seq) => this.#show(seq) };
    this.#intro.append(el("div", { class: "bubble" }, this.#greeting));
    this.#older.textContent = strings.say("older");
    const inside = el("div", { class: "sheet" }, this.#older, this.#intro, this.#list);
    const label = strings.say("messages");
    this.#scroller = el(
      "div",
      { class: "transcript", "data-part": "transcript", role: "region", tabindex: 0, "aria-label": label },
      inside,
    );
    this.#newest = el("button", { type: "button", class: "newest", hidden: true }, strings.say("newest"));
    this.#newest.onclick = () => this.toEnd();
    this.element = el("div", { class: "frame" }, this.#scroller, this.#newest);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#follow(inside);
  }

  get isAtEnd() {
    return this.#isAtEnd;
  }

  /**
   * @param {Array<object>} items of the conversation
   * @param {{greeting: string, hasOlder: boolean, isLoading: boolean}} around
   */
  draw(items, { greeting, hasOlder, isLoading }) {
    const rows = rowsOf(items);
    const said = rows.length > 0 && rows.at(-1).item.from === "visitor" && !this.#views.has(rows.at(-1).key);
    const restore = this.#keepPlace();
    this.#greeting.textContent = greeting;
    this.#intro.hidden = hasOlder;
    this.#older.hidden = !isLoading;
    const more = this.#place(rows, new Map(items.map((item) => [item.seq, item])));
    if (this.#isAtEnd || said) this.toEnd();
    else restore();
    if (more && !this.#isAtEnd) this.#newest.hidden = false;
    this.#isDrawn = true;
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#isAtEnd = true;
    this.#newest.hidden = true;
  }

  /** Puts rows in order, making as few changes as possible. @returns {boolean} anything new below */
  #place(rows, bySeq) {
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, { element }] of this.#views) {
      if (keys.has(key)) continue;
      element.remove();
      this.#views.delete(key);
    }
    let next = this.#list.firstChild;
    let isNewBelow = false;
    for (const row of rows) {
      const isNew = !this.#views.has(row.key);
      const quoted = row.item?.reply_to && bySeq.get(row.item.reply_to);
      const { element } = this.#view({ ...row, quoted });
      if (element === next) next = next.nextSibling;
      else this.#list.insertBefore(element, next);
      isNewBelow = isNew && row.item !== undefined;
    }
    return this.#isDrawn && isNewBelow;
  }

  #view(row) {
    const signature = JSON.stringify(row);
    const view = this.#views.get(row.key) ?? this.#make(row);
    if (view.signature !== signature) view.update(row);
    view.signature = signature;
    return view;
  }

  #make(row) {
    const view = row.day ? this.#day(row.day) : this.#message();
    this.#views.set(row.key, view);
    return view;
  }

  #day(day) {
    const label = el("span", {}, this.#strings.day(day));
    return { element: el("div", { class: "day", role: "separator" }, label), update() {} };
  }

  #message() {
    const message = new MessageView(this.#strings, this.#actions);
    if (this.#isDrawn) message.element.classList.add("fresh");
    return { element: message.element, update: (row) => message.update(row) };
  }

  /** Remembers which message is at the top; a day's line may move, a message stays among its kind. */
  #keepPlace() {
    const { scrollTop } = this.#scroller;
    const seen = [...this.#list.querySelectorAll(".message")].find(
      (element) => element.offsetTop + element.offsetHeight > scrollTop,
    );
    const offset = seen && seen.offsetTop - scrollTop;
    return () => {
      if (seen?.isConnected) this.#scroller.scrollTop = seen.offsetTop - offset;
    };
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#isAtEnd = scrollHeight - clientHeight - scrollTop < NEAR;
    if (this.#isAtEnd) this.#newest.hidden = true;
    if (this.#isAtEnd) this.#actions.end();
    if (scrollTop < NEAR) this.#actions.top();
  }

  /** A keyboard that opens or a composer that grows must not hide the end. */
  #follow(inside) {
    const observer = new ResizeObserver(() => this.#isAtEnd && this.toEnd());
    observer.observe(this.#scroller);
    observer.observe(inside);
  }

  #show(seq) {
    const message = this.#list.querySelector(`[data-seq="${Number(seq)}"]`);
    if (!message) return;
    message.scrollIntoView({ block: "center", behavior: "smooth" });
    message.classList.remove("pointed");
    void message.offsetWidth; // starts the animation again
    message.classList.add("pointed");
  }
}
