// What the console knows: chats, topics, the messages of opened threads. Knows neither page nor network.

const KEPT_CALLS = 200;

export class Store extends EventTarget {
  people = new Map();
  chats = new Map();
  anonymous = 0;
  bot = null;
  webhook = null;
  chatId = null;
  thread = null;
  as = null;
  linked = null;
  typing = new Map();
  bots = [];
  calls = [];
  faults = [];
  #threads = new Map();

  get chat() {
    return this.chats.get(this.chatId);
  }

  get topic() {
    return this.chat?.topics.find((topic) => topic.id === this.thread);
  }

  get messages() {
    return this.#threads.get(this.#key(this.chatId, this.thread))?.messages ?? [];
  }

  get hasMore() {
    return this.#threads.get(this.#key(this.chatId, this.thread))?.more ?? false;
  }

  get isLoaded() {
    return this.#threads.has(this.#key(this.chatId, this.thread));
  }

  /** Who may be written as: the people who administer the chat. */
  get writers() {
    const admins = this.chat?.members.filter((member) => ["creator", "administrator"].includes(member.status)) ?? [];
    return admins.map((member) => this.people.get(member.id)).filter((person) => person.id !== this.bot.id);
  }

  rank(personId) {
    const status = this.chat?.members.find((member) => member.id === personId)?.status;
    return { creator: "owner", administrator: "admin" }[status] ?? "";
  }

  name(person) {
    if (person.id === this.anonymous) return this.chat?.title ?? "Anonymous";
    return [person.first_name, person.last_name].filter(Boolean).join(" ");
  }

  load(state) {
    this.people = new Map(state.people.map((person) => [person.id, person]));
    this.chats = new Map(state.chats.map((chat) => [chat.id, chat]));
    this.anonymous = state.anonymous;
    this.bot = state.bot;
    this.webhook = state.webhook;
    this.bots = state.bots;
    this.faults = state.faults;
    this.chatId = this.chats.get(this.chatId)?.migrated_to ?? this.chatId;
    if (!this.chats.has(this.chatId)) this.chatId = state.chats[0]?.id ?? null;
    if (!this.as) this.as = this.writers[0]?.id ?? null;
    if (this.thread && !this.topic) this.thread = null;
    this.changed();
  }

  /** Threads read before the connection was lost may lack what happened since. */
  forgetThreads() {
    this.#threads.clear();
  }

  fill(chatId, thread, page) {
    this.#threads.set(this.#key(chatId, thread), { messages: page.messages, more: page.more });
    this.changed();
  }

  prepend(chatId, thread, page) {
    const known = this.#threads.get(this.#key(chatId, thread));
    if (!known) return;
    known.messages = [...page.messages, ...known.messages];
    known.more = page.more;
    this.changed();
  }

  open(chatId, thread) {
    this.chatId = chatId;
    this.thread = thread;
    this.changed();
  }

  showCalls(calls) {
    this.calls = calls.slice(-KEPT_CALLS);
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
    const act = this[`_${event.type}`];
    const stale = act ? act.call(this, event) === true : false;
    this.changed();
    return stale;
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  _message(event) {
    if (!this.people.has(event.message.from.id)) return true;
    this.typing.delete(this.#key(event.chat, event.thread));
    const known = this.#threads.get(this.#key(event.chat, event.thread));
    if (known && !known.messages.some((message) => message.message_id === event.message.message_id)) {
      known.messages.push(event.message);
    }
    return this.#putTopic(event, true);
  }

  _edited(event) {
    const known = this.#threads.get(this.#key(event.chat, event.thread));
    if (known) {
      known.messages = known.messages.map((message) =>
        message.message_id === event.message.message_id ? event.message : message,
      );
    }
    return this.#putTopic(event, false);
  }

  _deleted(event) {
    const known = this.#threads.get(this.#key(event.chat, event.thread));
    if (known) {
      known.messages = known.messages.filter((message) => message.message_id !== event.message.message_id);
    }
    return this.#putTopic(event, false);
  }

  _topic_deleted(event) {
    const chat = this.chats.get(event.chat);
    if (!chat) return true;
    chat.topics = chat.topics.filter((topic) => topic.id !== event.thread);
    this.#threads.delete(this.#key(event.chat, event.thread));
    if (this.chatId === event.chat && this.thread === event.thread) this.thread = null;
    return false;
  }

  _read(event) {
    const topic = this.chats.get(event.chat)?.topics.find((each) => each.id === event.thread);
    if (topic) topic.unread = 0;
  }

  _chat() {
    return true;
  }

  _call(event) {
    this.calls = [...this.calls.slice(1 - KEPT_CALLS), event.call];
    const chat = this.chats.get(event.chat);
    if (chat?.budget && event.left !== null && event.call.bot === this.bot?.id) chat.budget.left = event.left;
  }

  _faults(event) {
    this.faults = event.faults;
  }

  _typing(event) {
    const key = this.#key(event.chat, event.thread);
    if (event.action === "cancel") this.typing.delete(key);
    else this.typing.set(key, Date.now() + 5000);
  }

  isTyping(thread) {
    return (this.typing.get(this.#key(this.chatId, thread)) ?? 0) > Date.now();
  }

  #putTopic(event, isNewest) {
    const chat = this.chats.get(event.chat);
    if (!chat || !event.topic) return !chat;
    const index = chat.topics.findIndex((topic) => topic.id === event.topic.id);
    if (index < 0) chat.topics.unshift(event.topic);
    else if (isNewest) {
      chat.topics.splice(index, 1);
      chat.topics.unshift(event.topic);
    } else chat.topics[index] = event.topic;
    return false;
  }

  #key(chatId, thread) {
    return `${chatId}/${thread}`;
  }
}
