// The column on the right: at most one panel, and the one that was open is open again after a reload.

import { iconButton } from "./dom.js";

const PLACE = "topicwire.panel";

/** What opens and closes each panel; a page may have them in several places. */
export const panelButtons = (acts) => [panelButton("pulse", "Bot API calls and faults", "calls", acts), panelButton("info", "Group, people and bots", "group", acts)];

function panelButton(name, label, panel, acts) {
  const button = iconButton(name, label, () => acts.panel(panel));
  button.setAttribute("data-panel", panel);
  button.setAttribute("aria-pressed", "false");
  return button;
}

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
    const name = this.#opened;
    const panel = this.#panels[name];
    const hadFocus = panel?.element.contains(document.activeElement);
    const next = this.#isOver() ? `[data-panel="${name}"]` : ".composer:not([hidden]) textarea";
    this.#show(null);
    if (hadFocus) shown(next)?.focus({ preventScroll: true });
  }

  /** Closes what covers the page; false where nothing does. */
  closeIfOver() {
    const isOver = this.#isOver();
    if (isOver) this.close();
    return isOver;
  }

  async refresh() {
    await this.#panels[this.#opened]?.refresh();
  }

  render() {
    this.#press();
    this.#panels[this.#opened]?.render();
  }

  #isOver() {
    const panel = this.#panels[this.#opened];
    return panel !== undefined && getComputedStyle(panel.element).position === "fixed";
  }

  #show(name) {
    this.#opened = name;
    if (name) sessionStorage.setItem(PLACE, name);
    else sessionStorage.removeItem(PLACE);
    for (const [each, panel] of Object.entries(this.#panels)) panel.element.hidden = each !== name;
    this.#app.classList.toggle("with-panel", name !== null);
    this.#press();
  }

  #press() {
    document.querySelectorAll("[data-panel]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.panel === this.#opened)));
  }
}

const shown = (selector) => [...document.querySelectorAll(selector)].find((element) => element.checkVisibility());
