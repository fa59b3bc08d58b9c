/** All that the visitor sees: the bubble, the window with its messages, and what is read aloud. */
import { Composer } from "./composer.js";
import { el, set } from "./elements.js";
import { Launcher } from "./launcher.js";
import { Panel } from "./panel.js";
import { Transcript } from "./transcript.js";

export class View {
  #strings;
  #composer;
  #launcher;
  #panel;
  #root;
  #transcript;
  #wantsFocus = false;
  #news = el("div", { class: "aside", role: "log", "aria-live": "polite" });

  /**
   * @param {import("./strings.js").Strings} strings
   * @param {{toggle: () => void, close: () => void, retry: (id: string) => void,
   *   top: () => void, end: () => void, send: (text: string) => boolean, typing: () => void,
   *   draft: (text: string) => void}} actions
   */
  constructor(strings, actions) {
    this.#strings = strings;
    this.#transcript = new Transcript(strings, actions);
    this.#composer = new Composer(strings, actions);
    this.#launcher = new Launcher(strings, actions.toggle);
    this.#panel = new Panel(strings, {
      transcript: this.#transcript.element,
      composer: this.#composer.element,
      close: actions.close,
    });
    this.#root = el("div", { class: "root", lang: strings.language });
    this.#root.append(this.#panel.element, this.#launcher.element, this.#news);
    keepInside(this.#root);
  }

  /** Nothing is shown before it has its looks, and nothing of the page moves when it is. */
  appear(host, looks, viewport) {
    const root = host.attachShadow({ mode: "open" });
    const link = el("link", { rel: "stylesheet", href: looks });
    link.onload = () => {
      root.append(this.#root);
      this.#composer.fit();
      this.#transcript.toEnd();
      this.#panel.follow(viewport);
      if (this.#wantsFocus) this.focus();
    };
    link.onerror = () => console.warn("Topicwire: chat.css could not be loaded.");
    root.append(link);
    rise(host);
  }

  /** @param {boolean} isOpen */
  open(isOpen) {
    const leaves = !isOpen && this.#panel.element.matches(":focus-within");
    this.#wantsFocus = false;
    this.#panel.open(isOpen);
    set(this.#root, "data-open", isOpen);
    if (isOpen) this.#transcript.toEnd();
    if (leaves) this.#launcher.focus();
  }

  /** Whether there is a bubble; an open window stays. */
  show(isShown) {
    set(this.#root, "data-hidden", !isShown);
  }

  /** To where one writes; as soon as there is something to see. */
  focus() {
    this.#wantsFocus = !this.#root.isConnected;
    this.#composer.focus();
  }

  get isAtEnd() {
    return this.#transcript.isAtEnd;
  }

  set draft(text) {
    this.#composer.text = text;
  }

  prefill(text) {
    this.#composer.prefill(text);
  }

  /** @param {{items: object[], config: object, hasOlder: boolean, isLoading: boolean, status: object|null}} now */
  draw({ items, config, hasOlder, isLoading, status }) {
    const greeting = config.greeting || this.#strings.say("greeting");
    this.#panel.title(config);
    this.#panel.status(status);
    this.#transcript.draw(items, { greeting, hasOlder, isLoading });
  }

  /** @param {{isOpen: boolean, unread: number}} now */
  drawLauncher(now) {
    this.#launcher.update(now);
  }

  /** For those who listen rather than look. */
  announce({ author, text }) {
    this.#news.replaceChildren(el("p", {}, author ? `${author}: ${text}` : text));
  }
}

/** Above everything, whatever the page does with z-index and transforms, where browsers can. */
function rise(host) {
  if (!host.showPopover) return;
  host.popover = "manual";
  host.showPopover();
}

/** What is typed here is no keyboard shortcut of the page, and its focus traps are not for us. */
function keepInside(root) {
  for (const event of ["keydown", "keyup", "keypress", "focusin", "focusout"]) {
    root.addEventListener(event, (happened) => happened.stopPropagation());
  }
}
