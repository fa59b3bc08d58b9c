/**
 * Which conversation this browser holds: what `hello` asks to go on with, and what `welcome` or a
 * refused token makes of it.
 */
export class Hold {
  #store;
  #memory;
  #asked = {};

  /**
   * @param {import("./storage.js").Store} store
   * @param {import("./memory.js").Memory} memory
   */
  constructor(store, memory) {
    this.#store = store;
    this.#memory = memory;
  }

  /** Whether what comes now was not there before, rather than being a first look at the past. */
  get isNews() {
    return this.#memory.talk.isCaughtUp || this.#asked.last_rev > 0;
  }

  /** What `hello` asks to go on with. */
  ask() {
    if (this.#memory.isOutdated) this.#memory.lose();
    const { token } = this.#store.hold ?? {};
    this.#asked = { token, last_rev: this.#memory.talk.lastRev };
    return { ...this.#asked };
  }

  /**
   * Takes what `welcome` grants.
   * @returns {boolean} false when `hello` has to be said anew, with what is known now
   */
  accept({ conversation, token, rev, recovered = true }) {
    if (this.#isOutrun(conversation)) return false;
    const mine = this.#memory.conversation;
    const isOther = mine !== null && mine !== conversation;
    if (isOther || !recovered) this.#memory.lose({ stored: true });
    this.#store.hold = { conversation, token };
    if (isOther && recovered && this.#asked.last_rev > 0) return false; // it skipped what came before
    this.#asked.token = token;
    this.#memory.conversation = conversation;
    this.#memory.talk.expect(rev);
    return true;
  }

  /** The token is not valid, or no longer: it is put aside with all that belongs to it. */
  refused() {
    if (this.#store.hold?.token === this.#asked.token) this.#memory.lose({ stored: true });
  }

  /** Another tab has just begun a conversation; one a browser is enough. */
  #isOutrun(conversation) {
    const { hold } = this.#store;
    return !this.#asked.token && hold !== null && hold.conversation !== conversation;
  }
}
