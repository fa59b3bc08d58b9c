/**
 * The page around the chat: where it is, whether anybody looks at it, whether it goes to sleep.
 * Few listeners, all passive, nothing of the page is patched.
 */
export class Page {
  #window;

  /**
   * @param {Window} window
   * @param {{moved: () => void, awake: () => void, asleep: () => void, back: () => void}} on
   */
  constructor(window, on) {
    this.#window = window;
    const hear = (target, event, run) => target?.addEventListener(event, run, { passive: true });
    const { navigation, document } = window;
    let settling;
    const moved = () => {
      clearTimeout(settling);
      settling = setTimeout(on.moved, 300); // titles tend to follow addresses
    };
    hear(navigation, "currententrychange", moved);
    hear(window, "popstate", moved);
    hear(window, "focus", moved);
    hear(window, "online", on.awake);
    hear(window, "pagehide", on.asleep);
    hear(window, "pageshow", ({ persisted }) => persisted && on.back());
    hear(document, "visibilitychange", () => this.isVisible && on.awake());
  }

  get isVisible() {
    return this.#window.document.visibilityState === "visible";
  }

  get place() {
    const { location, document } = this.#window;
    return { url: location.href, title: document.title, referrer: document.referrer };
  }

  get visitor() {
    return { locale: this.#window.navigator.language || undefined, timezone: timezone() };
  }

  /** Languages to speak, the page's own before the browser's. */
  get languages() {
    const { document, navigator } = this.#window;
    return [document.documentElement.lang, ...(navigator.languages ?? [])].filter(Boolean);
  }
}

function timezone() {
  try {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}
