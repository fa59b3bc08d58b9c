// What the group is like and who is in it: for trying out what happens when a right is missing or a bot is gone.

import { h, iconButton, place } from "./dom.js";
import { firstCharacter } from "./figures.js";
import { MemberPart } from "./member.js";
import { ask, notice } from "./menu.js";
import { button, toggle } from "./parts.js";

const GLANCE_MILLISECONDS = 2000;

export class GroupPanel {
  #store;
  #api;
  #attempt;
  #reload;
  #parts = new Map();
  #glance = 0;

  constructor(store, api, { attempt, reload, close }) {
    this.#store = store;
    this.#api = api;
    this.#attempt = attempt;
    this.#reload = reload;
    this.avatar = h("span.group-avatar", { "aria-hidden": "true" });
    this.title = h("h3", { dir: "auto" });
    this.kind = h("small");
    this.topics = toggle("Topics", (on) => attempt(api.setForum(store.chatId, on)));
    this.migrate = button("Make it a supergroup", () => attempt(api.migrate(store.chatId)));
    this.people = h("div.members");
    this.bots = h("div.members");
    this.element = h(
      "aside.panel.group-panel",
      { "aria-label": "Group" },
      h("header.bar", {}, h("h2", {}, "Group"), iconButton("close", "Close", close)),
      h(
        "div.panel-body",
        {},
        h("div.group-head", {}, this.avatar, this.title, this.kind),
        this.topics.element,
        h("div.setting-buttons", {}, button("Rename", () => this.#rename()), this.migrate, button("Delete group", () => this.#destroy(), ".danger")),
        h("div.panel-title", {}, h("h3", {}, "People"), button("Add a person", () => this.#addPerson())),
        this.people,
        h("div.panel-title", {}, h("h3", {}, "Bots"), button("Add a bot", () => this.#addBot())),
        this.bots,
      ),
    );
  }

  async refresh() {
    await this.#reload();
    clearInterval(this.#glance);
    this.#glance = setInterval(() => this.#look(), GLANCE_MILLISECONDS);
  }

  render() {
    const { chat } = this.#store;
    if (!chat) return;
    const isBasic = chat.type === "group";
    const people = chat.members.filter(({ id }) => !this.#isBot(id));
    this.avatar.textContent = firstCharacter(chat.title);
    this.title.textContent = chat.title;
    this.kind.textContent = `${isBasic ? "Basic group" : chat.is_forum ? "Forum" : "Supergroup"} · ${chat.id}`;
    this.topics.update(chat.is_forum);
    this.migrate.hidden = !isBasic;
    place(this.people, people.map((member) => this.#part(member)));
    place(this.bots, this.#store.bots.map((bot) => this.#part(chat.bots.find(({ id }) => id === bot.id), bot)));
  }

  #part(role, bot) {
    const key = `${this.#store.chatId}/${role.id}`;
    const part = this.#parts.get(key) ?? this.#newPart(this.#store.chatId, role.id);
    this.#parts.set(key, part);
    part.update(role, bot);
    return part.element;
  }

  #newPart(chatId, id) {
    const person = this.#store.people.get(id);
    const isAnonymous = id === this.#store.anonymous;
    const set = (body) => this.#attempt(this.#api.setMember(chatId, id, body));
    return new MemberPart(person, { name: this.#store.name(person), isAnonymous, set });
  }

  #isBot(id) {
    return this.#store.bots.some((bot) => bot.id === id);
  }

  /** What waits for a bot changes without an event. */
  async #look() {
    if (this.element.hidden) return clearInterval(this.#glance);
    if (document.visibilityState !== "visible" || !this.#store.linked) return null;
    return this.#attempt(this.#api.bots().then(({ bots }) => this.#store.showBots(bots)));
  }

  async #rename() {
    const { chat, as } = this.#store;
    const title = await ask({ title: "Rename the group", value: chat.title, action: "Save" });
    if (title) await this.#attempt(this.#api.setTitle(chat.id, { title, as }));
  }

  async #destroy() {
    const { chat } = this.#store;
    const text = `“${chat.title}” is deleted for everyone. The bot is not told.`;
    if (await ask({ title: "Delete the group?", text, action: "Delete", danger: true })) await this.#attempt(this.#api.destroy(chat.id));
  }

  async #addPerson() {
    const { chatId } = this.#store;
    const name = await ask({ title: "Add a person", value: "", placeholder: "First name", action: "Add" });
    if (name) await this.#attempt(this.#api.addPerson(chatId, { first_name: name }));
  }

  async #addBot() {
    const name = await ask({ title: "Add a bot", value: "", placeholder: "Its name", action: "Create" });
    if (!name) return;
    const { chatId } = this.#store;
    const add = async () => {
      const bot = await this.#api.addBot({ first_name: name });
      await this.#api.setMember(chatId, bot.id, { status: "administrator" });
      await this.#reload();
      notice(`${name} is in the group, as an administrator. Its token is below its name.`);
    };
    await this.#attempt(add());
  }
}
