// What the console knows: people, chats with their topics, calls, faults. Knows neither page nor network.

import { Threads } from "./threads.js";

const KEPT_CALLS = 300;
const TYPING_MILLISECONDS = 6000;

export class Store extends EventTarget {
  people = new Map();
  chats = new Map();
  anonymous = 0;
  bot = null;
  bots = [];
  chatId = null;
  thread = null;
  as = null;
  linked = null;
  calls = [];
  faults = [];
  #threads = new Threads();
  #typing = new Map();
  #clock = { now: 0, heard: 0, driven: false };
  #missed = null;

  get chat() {
    return this.chats.get(this.chatId);
  }

  get topic() {
    return this.chat?.topics.find((topic) => topic.id === this.thread);
  }

  /** The groups that there still are. */
  get groups() {
    return [...this.chats.values()].filter((chat) => !chat.migrated_to && !chat.deleted);
  }

  get key() {
    return keyOf(this.chatId, this.thread);
  }

  get messages() {
    return this.#threads.get(this.key)?.messages ?? [];
  }

  get hasMore() {
    return this.#threads.get(this.key)?.more ?? false;
  }

  get isLoaded() {
    return this.#threads.get(this.key) !== null;
  }

  /** Who may be written as: the people in the chat, its leaders first. */
  get writers() {
    const weight = (status) => ({ creator: 0, administrator: 1 })[status] ?? 2;
    return (this.chat?.members ?? [])
      .filter(({ id, status }) => isIn(status) && (id === this.anonymous || !this.people.get(id).is_bot))
      .sort((one, other) => weight(one.status) - weight(other.status))
      .map(({ id }) => this.people.get(id));
  }

  /** An anonymous administrator is nobody besides the people. */
  get memberCount() {
    return this.chat.members.filter(({ id, status }) => isIn(status) && id !== this.anonymous).length;
  }

  rank(personId) {
    return { creator: "owner", administrator: "admin" }[this.status(personId)] ?? "";
  }

  status(personId) {
    return this.chat?.members.find((member) => member.id === personId)?.status ?? "left";
  }

  name(person) {
    if (person.id === this.anonymous) return this.chat?.title ?? "Anonymous";
    return [person.first_name, person.last_name].filter(Boolean).join(" ");
  }

  unread(chat = this.chat) {
    return chat?.topics.reduce((sum, topic) => sum + topic.unread, 0) ?? 0;
  }

  /** The sandbox's time in seconds, which need not be this machine's. */
  now() {
    return this.#clock.now + (this.#clock.driven ? 0 : (Date.now() - this.#clock.heard) / 1000);
  }

  get isDriven() {
    return this.#clock.driven;
  }

  /** A state is on its way; what happens meanwhile is taken once more after it. */
  expect() {
    this.#missed = [];
  }

  load(state) {
    this.people = new Map(state.people.map((person) => [person.id, person]));
    this.chats = new Map(state.chats.map((chat) => [chat.id, chat]));
    this.anonymous = state.anonymous;
    this.bot = state.bot;
    this.bots = state.bots;
    this.faults = state.faults;
    this.#clock = { now: state.now, heard: Date.now(), driven: state.driven };
    const missed = this.#missed ?? [];
    this.#missed = null;
    missed.forEach((event) => this.#apply(event));
    this.#settle(); // last: the open topic may be one of those missed
    this.changed();
  }

  /** True while the open thread is neither known nor asked for. */
  get isWanting() {
    return this.thread !== null && !this.isLoaded && !this.#threads.isExpected(this.key);
  }

  /** A thread's messages are asked for; the ticket goes with what is done about the answer. */
  expectThread(chatId, thread) {
    return this.#threads.expect(keyOf(chatId, thread));
  }

  giveUpThread(chatId, thread, ticket) {
    this.#threads.giveUp(keyOf(chatId, thread), ticket);
  }

  fill(chatId, thread, page, ticket) {
    this.#threads.fill(keyOf(chatId, thread), page, ticket);
    this.changed();
  }

  prepend(chatId, thread, page) {
    this.#threads.prepend(keyOf(chatId, thread), page);
    this.changed();
  }

  /** Threads read before the connection was lost may lack what happened since. */
  forgetOtherThreads() {
    this.#threads.forgetAllBut(this.key);
  }

  open(chatId, thread) {
    this.chatId = chatId;
    this.thread = thread;
    this.#settle();
    this.changed();
  }

  showCalls(calls) {
    this.calls = calls.slice(-KEPT_CALLS);
    this.changed();
  }

  showBots(bots) {
    this.bots = bots;
    this.changed();
  }

  writeAs(personId) {
    this.as = personId;
    this.changed();
  }

  setLinked(linked) {
    this.linked = linked;
    this.changed();
  }

  /** Takes an event of the stream; true if the state has to be read anew. */
  take(event) {
    this.#missed?.push(event);
    const isStale = this.#apply(event);
    this.changed();
    return isStale;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  get someoneTypes() {
    return this.#typing.size > 0;
  }

  isTyping(thread) {
    const key = keyOf(this.chatId, thread);
    if ((this.#typing.get(key) ?? 0) > Date.now()) return true;
    this.#typing.delete(key);
    return false;
  }

  /** Follows a group that moved, and leaves what is gone. */
  #settle() {
    while (this.chat?.migrated_to) this.chatId = this.chat.migrated_to;
    if (!this.chat || this.chat.deleted) this.chatId = this.groups[0]?.id ?? null;
    if (this.thread && !this.topic) this.thread = null;
    if (!this.writers.some((person) => person.id === this.as)) this.as = this.writers[0]?.id ?? null;
  }

  #apply(event) {
    const act = this[`_${event.type}`];
    return act ? act.call(this, event) === true : false;
  }

  _message(event) {
    const key = keyOf(event.chat, event.thread);
    this.#typing.delete(key);
    this.#threads.take(key, event);
    return this.#putTopic(event, true) || !this.people.has(event.message.from.id);
  }

  _edited(event) {
    this.#threads.take(keyOf(event.chat, event.thread), event);
    return this.#putTopic(event, false);
  }

  _deleted(event) {
    return this._edited(event);
  }

  _topic_deleted(event) {
    const chat = this.chats.get(event.chat);
    if (!chat) return true;
    chat.topics = chat.topics.filter((topic) => topic.id !== event.thread);
    this.#threads.forget(keyOf(event.chat, event.thread));
    this.#settle();
    return false;
  }

  _read(event) {
    const chat = this.chats.get(event.chat);
    if (chat) chat.topics = chat.topics.map((topic) => (topic.id === event.thread ? { ...topic, unread: 0 } : topic));
  }

  _chat() {
    return true;
  }

  _call(event) {
    this.calls = [...this.calls.slice(1 - KEPT_CALLS), event.call];
    const role = this.chats.get(event.chat)?.bots.find((bot) => bot.id === event.call.bot);
    if (role && event.budget) role.budget = event.budget;
  }

  _faults(event) {
    this.faults = event.faults;
  }

  _clock(event) {
    this.#clock = { ...this.#clock, now: event.now, heard: Date.now() };
  }

  _typing(event) {
    const key = keyOf(event.chat, event.thread);
    if (event.action === "cancel") this.#typing.delete(key);
    else this.#typing.set(key, Date.now() + TYPING_MILLISECONDS);
  }

  #putTopic(event, isNewest) {
    const chat = this.chats.get(event.chat);
    if (!chat || !event.topic) return !chat;
    const others = chat.topics.filter((topic) => topic.id !== event.topic.id);
    const index = chat.topics.findIndex((topic) => topic.id === event.topic.id);
    others.splice(isNewest || index < 0 ? 0 : index, 0, event.topic);
    chat.topics = others;
    return false;
  }
}

export const keyOf = (chatId, thread) => `${chatId}/${thread}`;
const isIn = (status) => status !== "left" && status !== "kicked";
