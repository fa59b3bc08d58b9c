// The operators' console: a Telegram group in the browser, for where there is no Telegram.

import * as api from "./api.js";
import { Composer } from "./composer.js";
import { Drawer } from "./drawer.js";
import { GroupPanel } from "./group.js";
import { isMenuOpen, notice } from "./menu.js";
import { Menus } from "./menus.js";
import { Panels } from "./panels.js";
import { Store } from "./store.js";
import { Thread } from "./thread.js";
import { TopicList } from "./topics.js";
import { refusal } from "./words.js";

const SHOWN_AT_MOST = 1000;
const PAGE = 100;
const UNSEEN_MILLISECONDS = 200;

const app = document.getElementById("app");
const store = new Store();
const acts = {
  demo: demoAddress(),
  open,
  openChat: (id) => knowing(id).then(() => open(null, id)),
  openNew: (id, chatId) => knowing(chatId, id).then(() => open(id, chatId)),
  back: () => open(null),
  older,
  groups: (at) => menus.groups(at),
  newTopic: () => menus.newTopic(),
  topicMenu: (at, id) => menus.topic(at, id),
  panel: (name) => panels.toggle(name),
  press: (message, button) => attempt(pressButton(message, button)),
  reply: (message) => composer.reply(message),
  editMessage: (message) => composer.edit(message),
  draft: (key) => composer.drafts.get(key).text.trim(),
  files: (files) => composer.sendFiles(files),
  menu: (at, message) => menus.message(at, message),
  unpin: (message) => attempt(api.pin(store.chatId, message.message_id, { as: store.as, on: false })),
  jump: (messageId) => thread.jump(messageId),
  react: (message, emoji) => attempt(toggleReaction(message, emoji)),
  // What is sent names where it goes: by the time it is its turn another topic may be open.
  post: (to, body) => attempt(api.post(to.chat, { thread: to.thread, as: to.as, ...body })),
  album: (to, body) => attempt(api.album(to.chat, { thread: to.thread, as: to.as, ...body })),
  edit: (to, message, body) => attempt(api.edit(to.chat, message.message_id, { as: to.as, ...body })),
  upload: (to, file, more) => attempt(api.upload(to.chat, file, uploaded(to, file, more))),
};
const menus = new Menus({ api, store, attempt, acts });
const composer = new Composer(store, acts);
const thread = new Thread(store, acts, composer);
const topics = new TopicList(store, acts);
const panels = new Panels(app, {
  group: new GroupPanel(store, api, { attempt, reload, close: () => panels.close() }),
  calls: new Drawer(store, api, { attempt, close: () => panels.close() }),
});

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
    if (!(error instanceof api.RefusedError)) throw error;
    notice(refusal(error.message), { bad: true });
    return false;
  }
}

function open(id, chatId = store.chatId) {
  store.open(chatId, id);
  draw();
  remember();
  if (id !== null) composer.focus();
  return fill();
}

/** The open topic is in the address, so that a reload and the back button find it. */
function remember() {
  const place = store.chatId === null ? "" : `#${store.chatId}${store.thread ? `/${store.thread}` : ""}`;
  if (location.hash !== place) history.pushState(null, "", location.pathname + location.search + place);
}

function followAddress() {
  const [chatId, id] = location.hash.slice(1).split("/").map(Number);
  const chat = store.chats.get(chatId);
  if (chat) store.open(chatId, chat.topics.some((topic) => topic.id === id) ? id : null);
  else store.open(store.chatId, null);
  return fill();
}

/** Reads the open thread unless it is known; `again` reads it in any case, while what is known stays on show. */
async function fill({ again = false } = {}) {
  const { chatId, thread: id, messages } = store;
  if (id === null) return;
  if (again || store.isWanting) {
    const ticket = store.expectThread(chatId, id);
    const limit = Math.min(Math.max(messages.length, PAGE), SHOWN_AT_MOST);
    const isDone = await attempt(api.messages(chatId, id, { limit }).then((page) => store.fill(chatId, id, page, ticket)));
    if (!isDone) store.giveUpThread(chatId, id, ticket);
  }
  markRead();
}

async function older() {
  const { chatId, thread: id, messages } = store;
  const before = messages[0]?.message_id;
  await attempt(api.messages(chatId, id, { before }).then((page) => store.prepend(chatId, id, page)));
}

function markRead() {
  if (!store.topic?.unread || document.visibilityState !== "visible") return;
  // What stays unread for once is read with the next message.
  api.topic(store.chatId, store.thread, "read").catch(() => {});
}

async function reload() {
  store.expect();
  await attempt(api.state().then((state) => store.load(state)));
}

/** What was only just made may be known here before the stream tells of it: then the state is read. */
async function knowing(chatId, id = null) {
  const chat = store.chats.get(chatId);
  if (!chat || (id !== null && !chat.topics.some((topic) => topic.id === id))) await reload();
}

function pressButton(message, button) {
  if (button.url) return Promise.resolve(window.open(button.url, "_blank", "noopener"));
  return api.press(store.chatId, message.message_id, { as: store.as, data: button.callback_data });
}

function uploaded(to, file, more) {
  const named = Object.entries({ ...more, kind: kindOf(file), name: file.name, as: to.as, thread: to.thread });
  return Object.fromEntries(named.filter(([, value]) => value !== undefined));
}

function kindOf(file) {
  if (/^image\/(png|jpe?g|bmp)$/.test(file.type)) return "photo";
  return file.type.startsWith("video/") ? "video" : file.type.startsWith("audio/") ? "audio" : "document";
}

function toggleReaction(message, emoji) {
  const isSet = message.reactions?.some((each) => each.user === store.as && each.emoji === emoji);
  return api.react(store.chatId, message.message_id, { as: store.as, emoji: isSet ? "" : emoji });
}

let frame = 0;
let timer = 0;

function draw() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  frame = timer = 0;
  app.dataset.view = store.thread === null ? "list" : "thread";
  composer.render();
  topics.render();
  thread.render();
  panels.render();
  const unread = store.unread();
  document.title = `${unread ? `(${unread}) ` : ""}${store.chat?.title ?? "Connecting…"} · Telegram sandbox`;
}

store.addEventListener("change", () => {
  if (timer) return;
  frame = requestAnimationFrame(draw);
  timer = setTimeout(draw, UNSEEN_MILLISECONDS); // a page that nobody sees has no frames, but a title
});

/** Alt and an arrow go to the topic above or below, Escape goes one step back. */
function onKey(event) {
  if (isMenuOpen() || document.querySelector("dialog[open]")) return;
  const step = event.altKey ? { ArrowDown: 1, ArrowUp: -1 }[event.key] : 0;
  if (step) {
    event.preventDefault();
    const next = topics.beside(store.thread, step);
    if (next !== undefined) open(next);
  } else if (event.key === "Escape" && !composer.cancel() && !panels.closeIfOver() && store.thread !== null) open(null);
}

app.append(topics.element, thread.element, panels.element);
addEventListener("popstate", followAddress);
document.addEventListener("visibilitychange", markRead);
addEventListener("keydown", onKey);
setInterval(() => store.someoneTypes && store.changed(), 1000);

/** What the stream tells; an open topic that vanishes is not passed over in silence. */
async function onEvent(event) {
  const wasOpen = store.topic;
  if (store.take(event)) await reload();
  if (store.isWanting) {
    remember(); // the group moved, and its thread with it
    await fill();
  }
  if (wasOpen && event.type === "topic_deleted" && !store.topic) notice(`“${wasOpen.name}” was deleted.`);
  if (event.type === "message" && event.chat === store.chatId && event.thread === store.thread) markRead();
}

async function onLink(isLinked) {
  const isFirst = store.linked === null;
  store.setLinked(isLinked);
  if (!isLinked) return;
  store.forgetOtherThreads();
  await reload();
  if (isFirst) await followAddress();
  else await fill({ again: true });
  await panels.refresh();
}

api.listen(onEvent, onLink);
draw();
