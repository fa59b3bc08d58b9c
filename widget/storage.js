/**
 * What outlives a page view: per browser (shared by tabs) who we are, what was said and what still
 * waits to be sent; per tab the draft and whether the chat is open. Where the browser forbids
 * storage everything works until the page goes.
 */

/** A Storage that never throws: what it cannot store it remembers. */
class Shelf {
  #storage;
  #memory = new Map();

  /** @param {() => Storage} get may throw, as reading `window.localStorage` does when blocked */
  constructor(get, prefix) {
    this.prefix = prefix;
    this.#storage = attempt(get) ?? null;
  }

  get(name) {
    if (this.#memory.has(name)) return this.#memory.get(name);
    const text = attempt(() => this.#storage?.getItem(this.prefix + name));
    return attempt(() => JSON.parse(text)) ?? null;
  }

  set(name, value) {
    if (value === null) return this.remove(name);
    const stored = attempt(() => {
      this.#storage.setItem(this.prefix + name, JSON.stringify(value));
      return true;
    });
    if (stored) this.#memory.delete(name);
    else this.#memory.set(name, value);
  }

  remove(name) {
    this.#memory.delete(name);
    attempt(() => this.#storage?.removeItem(this.prefix + name));
  }

  names() {
    const stored = attempt(() => Object.keys(this.#storage)) ?? [];
    const ours = stored.filter((name) => name.startsWith(this.prefix));
    return new Set([...ours.map((name) => name.slice(this.prefix.length)), ...this.#memory.keys()]);
  }
}

/** The drawers, by name. One key an unsent message: two tabs never overwrite each other's. */
export class Store {
  #shared;
  #own;

  /**
   * @param {{local: () => Storage, session: () => Storage, server: string, key: string}} place
   */
  constructor({ local, session, server, key }) {
    const prefix = `topicwire ${server} ${key} `;
    this.name = prefix.trim();
    this.#shared = new Shelf(local, prefix);
    this.#own = new Shelf(session, prefix);
  }

  /** `{conversation, token}`: what proves that the conversation is ours. */
  get hold() {
    return shaped(this.#shared.get("hold"), ({ token, conversation }) => token && conversation);
  }

  set hold(hold) {
    this.#shared.set("hold", hold);
  }

  /** `{conversation, last_rev, messages}` */
  get kept() {
    return shaped(this.#shared.get("kept"), ({ messages, last_rev: lastRev }) =>
      Array.isArray(messages) && Number.isSafeInteger(lastRev));
  }

  /** Another tab may be further; what it kept is not replaced by less. */
  keep(kept) {
    const stored = this.kept;
    const behind = stored?.conversation === kept.conversation && stored.last_rev > kept.last_rev;
    const ours = this.hold?.conversation === kept.conversation;
    if (ours && !behind) this.#shared.set("kept", kept);
  }

  /** `{read, told}`: the `seq` up to which the visitor has read, and the server knows so. */
  get marks() {
    return { read: 0, told: 0, ...this.#shared.get("marks") };
  }

  set marks(marks) {
    this.#shared.set("marks", marks);
  }

  /** The project's settings as last told, so that the next page view starts with them. */
  get config() {
    return shaped(this.#shared.get("config"), () => true) ?? {};
  }

  set config(config) {
    this.#shared.set("config", config);
  }

  /** What was written and not yet acknowledged, oldest first: `{id, text, at, rev?, refused?}`. */
  get unsent() {
    const entries = [...this.#shared.names()]
      .filter((name) => name.startsWith("unsent "))
      .map((name) => this.#shared.get(name))
      .filter((entry) => typeof entry?.id === "string" && typeof entry.text === "string");
    return entries.sort((one, other) => one.at - other.at || (one.id < other.id ? -1 : 1));
  }

  putUnsent(entry) {
    this.#shared.set(`unsent ${entry.id}`, entry);
  }

  dropUnsent(id) {
    this.#shared.remove(`unsent ${id}`);
  }

  get draft() {
    return String(this.#own.get("draft") ?? "");
  }

  set draft(text) {
    this.#own.set("draft", text || null);
  }

  get isOpen() {
    return this.#own.get("open") === true;
  }

  set isOpen(open) {
    this.#own.set("open", open || null);
  }

  /** Forgets the conversation, not what waits to be sent. */
  forget() {
    for (const name of ["hold", "kept", "marks"]) this.#shared.remove(name);
  }

  /** Forgets everything that is about the visitor. */
  clear() {
    for (const shelf of [this.#shared, this.#own]) {
      for (const name of shelf.names()) if (name !== "config") shelf.remove(name);
    }
  }

  /**
   * Calls back when another tab has changed something.
   * @param {Window} target whose `storage` events to hear
   * @param {(name: string) => void} heard with the drawer's first word, "" for all of them
   */
  watch(target, heard) {
    target.addEventListener("storage", ({ key }) => {
      if (key === null) heard("");
      else if (key.startsWith(this.#shared.prefix)) {
        heard(key.slice(this.#shared.prefix.length).split(" ")[0]);
      }
    });
  }
}

function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

const shaped = (value, check) =>
  value !== null && typeof value === "object" && check(value) ? value : null;
