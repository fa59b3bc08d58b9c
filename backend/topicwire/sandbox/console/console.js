// The operators' console: a Telegram group in the browser, for where there is no Telegram.

import * as api from "./api.js";
import { Composer } from "./composer.js";
import { closeMenu, ask, isMenuOpen, menu, notice } from "./menu.js";
import { h } from "./dom.js";
import { Drawer } from "./drawer.js";
import { openSettings } from "./settings.js";
import { Store } from "./store.js";
import { Thread } from "./thread.js";
import { TopicList } from "./topics.js";

const REACTIONS = ["👍", "❤", "🔥", "🎉", "😁", "🙏"];

const app = document.getElementById("app");
const store = new Store();
const acts = {
  demo: demoAddress(),
  open,
  back,
  older,
  chooseChat,
  newTopic,
  topicMenu,
  settings: async () => {
    await reload();
    openSettings(store, api);
  },
  drawer: () => drawer.toggle(),
  press: (message, button) => attempt(pressButton(message, button)),
  album: () => attempt(api.album(store.chatId, { thread: store.thread, as: store.as, kinds: ["photo", "photo"] })),
  upload: (file, caption) => attempt(api.upload(store.chatId, file, { kind: kindOf(file), name: file.name, caption, as: store.as, thread: store.thread })),
  reply: (message) => composer.reply(message),
  menu: messageMenu,
  jump: (messageId) => thread.jump(messageId),
  react: (message, emoji) => attempt(toggleReaction(message, emoji)),
  post: (body) => attempt(api.post(store.chatId, { thread: store.thread, as: store.as, ...body })),
  edit: (message, body) => attempt(api.edit(store.chatId, message.message_id, { as: store.as, ...body })),
};
const drawer = new Drawer(store, api, attempt);
const composer = new Composer(store, acts);
const thread = new Thread(store, acts, composer);
const topics = new TopicList(store, acts);

/** Only addresses of pages: anybody can put anything into a link's query. */
function demoAddress() {
  try {
    const address = new URL(new URLSearchParams(location.search).get("demo"));
    return /^https?:$/.test(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}

/** True if it was done; a refusal is shown. */
async function attempt(promise) {
  try {
    await promise;
    return true;
  } catch (error) {
    notice(error instanceof TypeError ? "The sandbox does not answer." : error.message);
    return false;
  }
}

function open(id, chatId = store.chatId) {
  store.open(chatId, id);
  app.dataset.view = "thread";
  remember();
  composer.focus();
  return fill();
}

function back() {
  store.open(store.chatId, null);
  app.dataset.view = "list";
  remember();
}

/** The open topic is in the address, so that a reload and the back button find it. */
function remember() {
  const place = store.thread ? `#${store.chatId}/${store.thread}` : "";
  if (location.hash !== place) history.pushState(null, "", location.pathname + location.search + place);
}

function followAddress() {
  const [chatId, id] = location.hash.slice(1).split("/").map(Number);
  const isKnown = store.chats.get(chatId)?.topics.some((topic) => topic.id === id);
  if (isKnown) open(id, chatId);
  else back();
}

async function fill() {
  const { chatId, thread: id, isLoaded } = store;
  if (id === null) return;
  if (!isLoaded) await attempt(api.messages(chatId, id).then((page) => store.fill(chatId, id, page)));
  markRead();
}

async function older() {
  const { chatId, thread: id, messages } = store;
  await attempt(api.messages(chatId, id, messages[0]?.message_id).then((page) => store.prepend(chatId, id, page)));
}

function markRead() {
  if (store.topic?.unread && document.visibilityState === "visible") api.topic(store.chatId, store.thread, "read").catch(() => {});
}

async function reload() {
  await attempt(api.state().then((state) => store.load(state)));
}

function chooseChat(at) {
  const groups = [...store.chats.values()].filter((chat) => !chat.migrated_to && !chat.deleted);
  const items = groups.map((chat) => ({
    label: chat.title,
    hint: chat.is_forum ? "Forum" : chat.type === "group" ? "Basic group" : "Group without topics",
    checked: chat.id === store.chatId,
    act: () => {
      store.open(chat.id, null);
      back();
    },
  }));
  menu(at, [...items, "-", { label: "New forum", icon: "plus", act: () => newGroup("supergroup") }, { label: "New basic group", icon: "plus", act: () => newGroup("group") }]);
}

async function newGroup(type) {
  const title = await ask({ title: type === "group" ? "New basic group" : "New forum", value: "", placeholder: "Group name", action: "Create" });
  if (!title) return;
  await attempt(api.createChat({ title, type }).then(async (chat) => {
    await reload();
    store.open(chat.id, null);
    back();
  }));
}

function pressButton(message, button) {
  if (button.url) return Promise.resolve(window.open(button.url, "_blank", "noopener"));
  return api.press(store.chatId, message.message_id, { as: store.as, data: button.callback_data });
}

function kindOf(file) {
  if (/^image\/(png|jpe?g|bmp)$/.test(file.type)) return "photo";
  return file.type.startsWith("video/") ? "video" : file.type.startsWith("audio/") ? "audio" : "document";
}

async function newTopic() {
  const name = await ask({ title: "New topic", value: "", placeholder: "Topic name", action: "Create" });
  if (!name) return;
  const created = await attempt(api.createTopic(store.chatId, { name, as: store.as }).then((topic) => open(topic.id)));
  if (created) await reload();
}

function topicMenu(at, id) {
  const topic = store.chat.topics.find((each) => each.id === id);
  const change = (act, body) => attempt(api.topic(store.chatId, id, act, { as: store.as, ...body }));
  menu(at, [
    { label: "Rename", icon: "pencil", act: () => rename(topic, change) },
    topic.closed
      ? { label: "Reopen topic", icon: "unlock", act: () => change("reopen") }
      : { label: "Close topic", icon: "lock", act: () => change("close") },
    id === 1 ? null : "-",
    id === 1 ? null : { label: "Delete topic", icon: "trash", danger: true, act: () => deleteTopic(topic, change) },
  ]);
}

async function rename(topic, change) {
  const name = await ask({ title: "Rename topic", value: topic.name, action: "Save" });
  if (name) await change("rename", { name });
}

async function deleteTopic(topic, change) {
  const text = `“${topic.name}” and all its messages are deleted for everyone. The bot is not told.`;
  if (await ask({ title: "Delete topic?", text, action: "Delete", danger: true })) await change("delete");
}

function messageMenu(at, message) {
  const isOwn = message.from.id === store.as;
  const text = message.text ?? message.caption;
  const remove = () => attempt(api.remove(store.chatId, message.message_id, store.as));
  const strip = h("div.reaction-strip", {}, REACTIONS.map((emoji) => h("button", { type: "button", "aria-label": `React with ${emoji}`, onclick: () => {
    closeMenu();
    acts.react(message, emoji);
  } }, emoji)));
  menu(at, [
    { label: "Reply", icon: "reply", act: () => composer.reply(message) },
    isOwn && text ? { label: "Edit", icon: "pencil", act: () => composer.edit(message) } : null,
    text ? { label: "Copy text", icon: "copy", act: () => navigator.clipboard?.writeText(text) } : null,
    { label: "Pin", icon: "pin", act: () => attempt(api.pin(store.chatId, message.message_id, { as: store.as })) },
    "-",
    { label: "Delete", icon: "trash", danger: true, act: remove },
  ], { header: strip });
}

function toggleReaction(message, emoji) {
  const isSet = message.reactions?.some((each) => each.user === store.as && each.emoji === emoji);
  return api.react(store.chatId, message.message_id, { as: store.as, emoji: isSet ? "" : emoji });
}

let isDrawing = false;

function draw() {
  isDrawing = false;
  topics.render();
  composer.render();
  thread.render();
  drawer.render();
  const unread = store.chat?.topics.reduce((sum, topic) => sum + topic.unread, 0) ?? 0;
  document.title = `${unread ? `(${unread}) ` : ""}${store.chat?.title ?? "Connecting…"} · Telegram sandbox`;
}

store.addEventListener("change", () => {
  if (isDrawing) return;
  isDrawing = true;
  queueMicrotask(draw);
});

app.append(topics.element, thread.element, drawer.element);
addEventListener("popstate", followAddress);
document.addEventListener("visibilitychange", markRead);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || isMenuOpen() || document.querySelector("dialog[open]")) return;
  if (!composer.cancel() && store.thread !== null) back();
});
setInterval(() => store.typing.size && store.changed(), 1000);

api.listen(
  async (event) => {
    if (store.take(event)) await reload();
    if (event.type === "message" && event.chat === store.chatId && event.thread === store.thread) markRead();
  },
  async (linked) => {
    const isFirst = store.linked === null;
    store.setLinked(linked);
    if (!linked) return;
    store.forgetThreads();
    await reload();
    if (isFirst) followAddress();
    else await fill();
  },
);
draw();
