// The column on the right: at most one panel, and the one that was open is open again after a reload.

const PLACE = "topicwire.panel";

/** A panel has `element`, `render()` and `refresh()`, which is called when it is opened. */
export class Panels {
  #app;
  #panels;
  #opened = null;

  constructor(app, panels) {
    this.#app = app;
    this.#panels = panels;
    this.element = document.createDocumentFragment();
    for (const panel of Object.values(panels)) {
      panel.element.hidden = true;
      this.element.append(panel.element);
    }
    const kept = sessionStorage.getItem(PLACE);
    // On a small screen it would hide everything else.
    if (panels[kept] && matchMedia("(min-width: 961px)").matches) this.#show(kept);
  }

  async toggle(name) {
    this.#show(this.#opened === name ? null : name);
    await this.refresh();
    this.render();
  }

  close() {
    const panel = this.#panels[this.#opened];
    const hadFocus = panel?.element.contains(document.activeElement);
    this.#show(null);
    if (hadFocus) document.querySelector(".composer:not([hidden]) textarea")?.focus({ preventScroll: true });
  }

  /** Closes what covers the page; false where nothing does. */
  closeIfOver() {
    const panel = this.#panels[this.#opened];
    if (!panel || getComputedStyle(panel.element).position !== "fixed") return false;
    this.close();
    return true;
  }

  async refresh() {
    await this.#panels[this.#opened]?.refresh();
  }

  render() {
    this.#panels[this.#opened]?.render();
  }

  #show(name) {
    this.#opened = name;
    if (name) sessionStorage.setItem(PLACE, name);
    else sessionStorage.removeItem(PLACE);
    for (const [each, panel] of Object.entries(this.#panels)) {
      panel.element.hidden = each !== name;
      document.querySelectorAll(`[data-panel="${each}"]`).forEach((button) => button.setAttribute("aria-pressed", String(each === name)));
    }
    this.#app.classList.toggle("with-panel", name !== null);
  }
}
