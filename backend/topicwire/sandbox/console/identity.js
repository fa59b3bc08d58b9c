// Who one writes as: the button before the line to write in, and the choice behind it.

import { h } from "./dom.js";
import { avatar, mask } from "./figures.js";
import { menu } from "./menu.js";

export class Identity {
  #store;
  #onChosen;

  constructor(store, onChosen) {
    this.#store = store;
    this.#onChosen = onChosen;
    this.element = h("button.identity", { type: "button", "aria-haspopup": "menu", onclick: () => this.#choose() });
  }

  render() {
    const person = this.#store.people.get(this.#store.as);
    const label = person ? `Writing as ${this.#isAnonymous(person) ? "an anonymous admin" : this.#store.name(person)}. Change` : "Nobody to write as";
    if (this.element.title === label) return;
    this.element.title = label;
    this.element.setAttribute("aria-label", label);
    this.element.replaceChildren(person ? this.#picture(person) : mask());
  }

  #choose() {
    const items = this.#store.writers.map((person) => ({
      label: this.#isAnonymous(person) ? "Anonymous admin" : this.#store.name(person),
      hint: this.#isAnonymous(person) ? "Shown as the group" : this.#store.rank(person.id) || this.#store.status(person.id),
      picture: this.#picture(person),
      checked: person.id === this.#store.as,
      act: () => {
        this.#store.writeAs(person.id);
        this.#onChosen();
      },
    }));
    menu(this.element, items, { header: h("p.menu-header", {}, "Write as") });
  }

  #picture(person) {
    return this.#isAnonymous(person) ? mask() : avatar(person, this.#store.name(person));
  }

  #isAnonymous(person) {
    return person.id === this.#store.anonymous;
  }
}
