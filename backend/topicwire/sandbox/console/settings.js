// What the group and its bots are like: for trying out what happens when a right is missing or a bot is gone.

import { h } from "./dom.js";
import { ask, notice, show } from "./menu.js";

const RIGHTS = [
  ["can_manage_topics", "Manage topics"],
  ["can_delete_messages", "Delete messages"],
  ["can_pin_messages", "Pin messages"],
  ["can_change_info", "Change the group"],
  ["can_invite_users", "Invite people"],
  ["can_restrict_members", "Restrict members"],
  ["can_promote_members", "Add administrators"],
];
const STATUSES = [
  ["administrator", "Administrator"],
  ["member", "Member"],
  ["restricted", "Restricted"],
  ["left", "Not in the group"],
  ["kicked", "Banned"],
];

/** Opens the panel; `api` changes things, and each change is seen in the state that follows it. */
export function openSettings(store, api) {
  const body = h("div.settings");
  const opened = new Set();
  const update = () => body.replaceChildren(...content(store, api, opened));
  store.addEventListener("change", update);
  update();
  const dialog = show(body, () => store.removeEventListener("change", update));
  body.addEventListener("done", () => dialog.close());
}

function content(store, api, opened) {
  const { chat, webhook } = store;
  const attempt = (promise) => promise.catch((error) => notice(error.message));
  return [
    h("h2", {}, chat.title),
    ...group(store, api, attempt),
    ...store.bots.flatMap((bot) => botPart(bot, store, api, attempt, opened)),
    button("Add another bot", () => addBot(api, attempt)),
    h("h3", {}, "Delivery"),
    fact("Calls left in this minute", chat.budget ? `${chat.budget.left} of ${chat.budget.calls}` : "no limit"),
    fact("Webhook", webhook.url || "not set", webhook.url ? ".address" : ""),
    fact("Updates waiting", String(webhook.pending)),
    webhook.last_error_message ? fact("Last failure", webhook.last_error_message) : null,
  ].filter(Boolean);
}

function group({ chat }, api, attempt) {
  const rename = async () => {
    const title = await ask({ title: "Rename the group", value: chat.title, action: "Save" });
    if (title) await attempt(api.setTitle(chat.id, title));
  };
  const destroy = async () => {
    const text = `“${chat.title}” is deleted for everyone. The bot is not told.`;
    if (await ask({ title: "Delete the group?", text, action: "Delete", danger: true })) await attempt(api.destroy(chat.id));
  };
  const isBasic = chat.type === "group";
  return [
    h("h3", {}, isBasic ? "Basic group" : "Group"),
    toggle("Topics", chat.is_forum, (on) => attempt(api.setForum(chat.id, on))),
    h("div.setting-buttons", {}, button("Rename", rename), isBasic ? button("Make it a supergroup", () => attempt(api.migrate(chat.id))) : null, button("Delete", destroy, ".danger")),
  ];
}

function botPart(bot, { chat }, api, attempt, opened) {
  const role = chat.bots.find((each) => each.id === bot.id) ?? { status: "left", rights: [] };
  const set = (body) => attempt(api.setBot(chat.id, { bot: bot.id, ...body }));
  const setRight = (right, on) => {
    const rights = role.rights.filter((each) => each !== right);
    return set({ status: "administrator", rights: on ? [...rights, right] : rights });
  };
  const options = STATUSES.map(([value, label]) => h("option", { value, selected: value === role.status }, label));
  const rights = h(
    "details.rights",
    { open: opened.has(bot.id), ontoggle: (event) => (event.target.open ? opened.add(bot.id) : opened.delete(bot.id)) },
    h("summary", {}, "More rights"),
    RIGHTS.slice(3).map(([right, label]) => toggle(label, role.rights.includes(right), (on) => setRight(right, on))),
  );
  return [
    h("h3", {}, `Bot @${bot.username}`),
    h("label.setting", {}, h("span", {}, "Status"), h("select", { "aria-label": `Status of @${bot.username}`, onchange: (event) => set({ status: event.target.value }) }, options)),
    ...(role.status === "administrator" ? [...RIGHTS.slice(0, 3).map(([right, label]) => toggle(label, role.rights.includes(right), (on) => setRight(right, on))), rights] : []),
    h("details.rights", {}, h("summary", {}, "Token"), h("code.token", {}, bot.token)),
  ];
}

async function addBot(api, attempt) {
  const name = await ask({ title: "Another bot", value: "", placeholder: "Its name", action: "Create" });
  if (name) await attempt(api.addBot({ first_name: name }).then(() => notice("It is not in the group yet: choose its status.")));
}

function button(label, act, extra = "") {
  return h(`button.text-button${extra}`, { type: "button", onclick: act }, label);
}

function toggle(label, on, act) {
  return h("label.setting", {}, h("span", {}, label), h("input.switch", { type: "checkbox", checked: on, onchange: (event) => act(event.target.checked) }));
}

function fact(label, value, extra = "") {
  return h(`div.setting.fact${extra}`, {}, h("span", {}, label), h("b", { title: value }, value));
}
