// What was typed and not sent yet, by thread. It outlives a reload, because a sandbox that is restarted is
// often reloaded, too.

const PLACE = `topicwire.drafts ${location.pathname}`; // ids of topics mean something in one sandbox only
const NOTHING = { text: "", reply: null };

export class Drafts {
  #kept = new Map(read());

  get(key) {
    return this.#kept.get(key) ?? NOTHING;
  }

  /** `reply` is the message that is answered. */
  put(key, { text, reply = null }) {
    if (text.trim() || reply) this.#kept.set(key, { text, reply });
    else this.#kept.delete(key);
    write([...this.#kept]);
  }

  /** What was refused comes back before what has been typed since. */
  giveBack(key, { text, reply }) {
    const typed = this.get(key);
    this.put(key, { text: [text, typed.text].filter(Boolean).join("\n"), reply: typed.reply ?? reply });
  }

  /** A group that moved takes its drafts along. */
  move(from, to) {
    if (!this.#kept.has(from)) return;
    this.giveBack(to, this.get(from));
    this.put(from, NOTHING);
  }
}

function read() {
  try {
    return JSON.parse(sessionStorage.getItem(PLACE)) ?? [];
  } catch {
    return []; // a browser that keeps nothing, or something of another version
  }
}

function write(entries) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(entries));
  } catch {
    // A browser that keeps nothing: drafts last as long as the page.
  }
}
