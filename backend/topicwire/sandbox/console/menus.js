// What can be done to a message, to a topic, and which groups there are.

import { h } from "./dom.js";
import { topicIcon } from "./figures.js";
import { ask, closeMenu, menu, notice } from "./menu.js";
import { count, isService } from "./words.js";

const REACTIONS = ["👍", "❤", "🔥", "🎉", "😁", "🙏"];
const COLOURS = [
  [7322096, "Blue"], [16766590, "Yellow"], [13338331, "Violet"],
  [9367192, "Green"], [16749490, "Pink"], [16478047, "Red"],
];

/** `shown` hears whether and how the group's menus change things: `{ api, store, attempt, acts }`. */
export class Menus {
  #api;
  #store;
  #attempt;
  #acts;

  constructor({ api, store, attempt, acts }) {
    this.#api = api;
    this.#store = store;
    this.#attempt = attempt;
    this.#acts = acts;
  }

  message(at, message) {
    const { chatId, as, topic } = this.#store;
    const id = message.message_id;
    const text = message.text ?? message.caption;
    const isPinned = topic.pinned?.some((each) => each.message_id === id);
    const remove = { label: "Delete", icon: "trash", danger: true, act: () => this.#attempt(this.#api.remove(chatId, id, as)) };
    if (isService(message)) return menu(at, [remove]);
    menu(
      at,
      [
        { label: "Reply", icon: "reply", act: () => this.#acts.reply(message) },
        message.from.id === as && text ? { label: "Edit", icon: "pencil", act: () => this.#acts.editMessage(message) } : null,
        text ? { label: "Copy text", icon: "copy", act: () => copy(text) } : null,
        { label: isPinned ? "Unpin" : "Pin", icon: "pin", act: () => this.#attempt(this.#api.pin(chatId, id, { as, on: !isPinned })) },
        "-",
        remove,
      ],
      { header: this.#reactions(message) },
    );
  }

  topic(at, id) {
    const topic = this.#store.chat.topics.find((each) => each.id === id);
    const { chatId, as } = this.#store;
    const change = (act, body) => this.#attempt(this.#api.topic(chatId, id, act, { as, ...body }));
    if (!this.#store.chat.is_forum) return menu(at, [{ label: "Mark as read", icon: "check", act: () => change("read") }]);
    menu(at, [
      topic.unread ? { label: "Mark as read", icon: "check", act: () => change("read") } : null,
      { label: "Rename", icon: "pencil", act: () => this.#rename(topic, change) },
      topic.closed
        ? { label: "Reopen topic", icon: "unlock", act: () => change("reopen") }
        : { label: "Close topic", icon: "lock", act: () => change("close") },
      id === 1 ? null : "-",
      id === 1 ? null : { label: "Delete topic", icon: "trash", danger: true, act: () => this.#deleteTopic(topic, change) },
    ]);
  }

  async newTopic() {
    const colour = colours();
    const name = await ask({ title: "New topic", value: "", placeholder: "Topic name", action: "Create", extra: colour.element });
    if (!name) return;
    const { chatId, as } = this.#store;
    const body = { name, as, icon_color: colour.chosen() };
    await this.#attempt(this.#api.createTopic(chatId, body).then((topic) => this.#acts.openNew(topic.id, chatId)));
  }

  groups(at) {
    const items = this.#store.groups.map((chat) => {
      const unread = this.#store.unread(chat);
      const kind = chat.is_forum ? "Forum" : chat.type === "group" ? "Basic group" : "Group without topics";
      return {
        label: chat.title,
        hint: kind,
        badge: unread && chat.id !== this.#store.chatId ? `${unread}` : "",
        checked: chat.id === this.#store.chatId,
        act: () => this.#acts.openChat(chat.id),
      };
    });
    menu(at, [
      ...items,
      "-",
      { label: "New forum", icon: "plus", act: () => this.#newGroup("supergroup", "New forum") },
      { label: "New basic group", icon: "plus", act: () => this.#newGroup("group", "New basic group") },
    ]);
  }

  #reactions(message) {
    const { as } = this.#store;
    const given = new Set((message.reactions ?? []).filter((each) => each.user === as).map((each) => each.emoji));
    const button = (emoji) =>
      h(
        `button${given.has(emoji) ? ".chosen" : ""}`,
        {
          type: "button",
          role: "menuitem",
          tabIndex: -1,
          "aria-label": given.has(emoji) ? `Take ${emoji} back` : `React with ${emoji}`,
          onclick: () => {
            closeMenu();
            this.#acts.react(message, emoji);
          },
        },
        emoji,
      );
    return h("div.reaction-strip", { role: "group", "aria-label": "Reactions" }, REACTIONS.map(button));
  }

  async #rename(topic, change) {
    const name = await ask({ title: "Rename topic", value: topic.name, action: "Save" });
    if (name) await change("rename", { name });
  }

  async #deleteTopic(topic, change) {
    const text = `“${topic.name}” and ${count(topic.messages, "message")} are deleted for everyone. The bot is not told.`;
    if (await ask({ title: "Delete topic?", text, action: "Delete", danger: true })) await change("delete");
  }

  async #newGroup(type, title) {
    const name = await ask({ title, value: "", placeholder: "Group name", action: "Create" });
    if (name) await this.#attempt(this.#api.createChat({ title: name, type }).then((chat) => this.#acts.openChat(chat.id)));
  }
}

function colours() {
  const swatch = ([value, name], index) =>
    h(
      "label.swatch",
      { title: name },
      h("input", { type: "radio", name: "colour", value, checked: index === 0, "aria-label": name }),
      topicIcon({ id: 0, name, icon_color: value }),
    );
  const element = h("div.swatches", { role: "radiogroup", "aria-label": "Colour" }, COLOURS.map(swatch));
  return { element, chosen: () => Number(element.querySelector(":checked").value) };
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    notice("Copied.");
  } catch {
    notice("This browser does not let the page copy.");
  }
}
