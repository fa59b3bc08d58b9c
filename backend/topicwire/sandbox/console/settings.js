// What the group and its bot are like: for trying out what happens when a right is missing or the bot is gone.

import { h } from "./dom.js";
import { notice, show } from "./menu.js";

const RIGHTS = [
  ["can_manage_topics", "Manage topics"],
  ["can_delete_messages", "Delete messages"],
  ["can_pin_messages", "Pin messages"],
];
const STATUSES = [
  ["administrator", "Administrator"],
  ["member", "Member"],
  ["left", "Not in the group"],
  ["kicked", "Banned"],
];

/** Opens the panel; `api` changes things, and each change is seen in the state that follows it. */
export function openSettings(store, api) {
  const body = h("div.settings");
  const update = () => body.replaceChildren(...content(store, api));
  store.addEventListener("change", update);
  update();
  show(body, () => store.removeEventListener("change", update));
}

function content(store, api) {
  const { chat, webhook, bot } = store;
  const attempt = (promise) => promise.catch((error) => notice(error.message));
  const isAdmin = chat.bot.status === "administrator";
  const setRight = (right, on) => {
    const rights = chat.bot.rights.filter((each) => each !== right);
    return api.setBot(chat.id, { status: "administrator", rights: on ? [...rights, right] : rights });
  };
  return [
    h("h2", {}, chat.title),
    h("h3", {}, "Group"),
    toggle("Topics", chat.is_forum, (on) => attempt(api.setForum(chat.id, on))),
    h("h3", {}, `Bot @${bot.username}`),
    h(
      "label.setting",
      {},
      h("span", {}, "Status"),
      h(
        "select",
        { onchange: (event) => attempt(api.setBot(chat.id, { status: event.target.value })) },
        STATUSES.map(([value, label]) => h("option", { value, selected: value === chat.bot.status }, label)),
      ),
    ),
    ...(isAdmin ? RIGHTS.map(([right, label]) => toggle(label, chat.bot.rights.includes(right), (on) => attempt(setRight(right, on)))) : []),
    h("h3", {}, "Delivery"),
    fact("Calls left in this minute", chat.budget ? `${chat.budget.left} of ${chat.budget.calls}` : "no limit"),
    fact("Webhook", webhook.url || "not set"),
    fact("Updates waiting", String(webhook.pending)),
    webhook.last_error_message ? fact("Last failure", webhook.last_error_message) : null,
  ].filter(Boolean);
}

function toggle(label, on, act) {
  return h("label.setting", {}, h("span", {}, label), h("input.switch", { type: "checkbox", checked: on, onchange: (event) => act(event.target.checked) }));
}

function fact(label, value) {
  return h("div.setting.fact", {}, h("span", {}, label), h("b", { title: value }, value));
}
