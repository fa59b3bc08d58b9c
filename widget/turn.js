/**
 * Which tab sends what all tabs wrote. Whoever just typed takes the turn, others wait for it.
 * Without Web Locks every tab has it: the same id is harmless twice, only wasteful.
 */
export class Turn {
  #locks;
  #name;
  #changed;
  #mine = false;
  #wish = null;

  /**
   * @param {LockManager|undefined} locks
   * @param {string} name of what is taken turns at
   * @param {() => void} changed when `isMine` may have changed
   */
  constructor(locks, name, changed) {
    this.#locks = locks;
    this.#name = name;
    this.#changed = changed;
  }

  get isMine() {
    return this.#mine;
  }

  /** Queues for the turn. */
  want() {
    if (!this.#wish) this.#request({});
  }

  /** Takes it from whoever has it. */
  take() {
    if (this.#mine) return;
    this.give();
    this.#request({ steal: true });
  }

  /** Lets it go, or stops waiting. */
  give() {
    this.#wish?.end();
    this.#wish = null;
    this.#set(false);
  }

  #request(options) {
    if (!this.#locks) {
      this.#wish = { end() {} };
      return this.#set(true);
    }
    const wish = {};
    const done = new Promise((resolve) => (wish.end = resolve));
    this.#wish = wish;
    const hold = () => {
      if (this.#wish === wish) this.#set(true);
      return done;
    };
    return this.#locks.request(this.#name, options, hold).catch(() => this.#robbed(wish));
  }

  /** Another tab took it; we stand in line behind it. */
  #robbed(wish) {
    if (this.#wish !== wish) return;
    this.#wish = null;
    this.#set(false);
    this.want();
  }

  #set(mine) {
    if (this.#mine === mine) return;
    this.#mine = mine;
    this.#changed();
  }
}
