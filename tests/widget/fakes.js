/** Stand-ins for what a browser gives: a clock that is moved by hand, a socket, a storage. */

export class Clock {
  #now = 1_000_000;
  #timers = new Set();

  now = () => this.#now;

  after = (ms, run) => {
    const timer = { at: this.#now + Math.max(0, ms), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Lets time pass, running what becomes due in its order. */
  pass(ms) {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ at }) => at <= until);
      const [next] = due.sort((one, other) => one.at - other.at);
      if (!next) break;
      this.#timers.delete(next);
      this.#now = next.at;
      next.run();
    }
    this.#now = until;
  }
}

/** A network on which every connection of a test is made. */
export class Network {
  sockets = [];
  refuses = false;

  constructor() {
    const network = this;
    this.WebSocket = class FakeSocket {
      sent = [];
      isClosed = false;

      constructor(url, subprotocol) {
        if (network.refuses) throw new Error("refused");
        Object.assign(this, { url, subprotocol });
        network.sockets.push(this);
      }

      send(text) {
        if (!this.isClosed) this.sent.push(JSON.parse(text));
      }

      close() {
        this.isClosed = true;
      }

      open() {
        this.onopen?.();
      }

      say(frame) {
        this.onmessage?.({ data: JSON.stringify(frame) });
      }

      drop(code = 1006) {
        this.isClosed = true;
        this.onclose?.({ code });
      }

      /** Opens and is welcomed. */
      welcome(frame = {}) {
        this.open();
        this.say({ ...WELCOME, ...frame });
        return this;
      }

      sentOf(type) {
        return this.sent.filter((frame) => frame.type === type);
      }
    };
  }

  get last() {
    return this.sockets.at(-1);
  }
}

export const WELCOME = {
  ...{ type: "welcome", conversation: "c1", token: "t1", rev: 0, recovered: true, state: "open" },
  config: { name: "Shop" },
};

/** A Storage; `tabs` that share it hear of each other's changes as in a browser. */
export class FakeStorage {
  #items = new Map();
  #tabs = new Set();

  constructor() {
    return new Proxy(this, {
      ownKeys: (target) => [...target.#items.keys()],
      getOwnPropertyDescriptor: (target, key) =>
        target.#items.has(key) ? { enumerable: true, configurable: true } : undefined,
      get: (target, name) => (typeof target[name] === "function" ? target[name].bind(target) : target[name]),
    });
  }

  getItem(key) {
    return this.#items.get(key) ?? null;
  }

  setItem(key, value) {
    this.#change(key, () => this.#items.set(key, String(value)));
  }

  removeItem(key) {
    this.#change(key, () => this.#items.delete(key));
  }

  /** This storage as one tab sees it, and where that tab hears what others change. */
  tab() {
    const events = new EventTarget();
    const shared = this;
    this.#tabs.add(events);
    const act = (name) => (...args) => {
      shared.acting = events;
      return shared[name](...args);
    };
    const own = { getItem: (key) => shared.getItem(key), setItem: act("setItem"), removeItem: act("removeItem") };
    const storage = new Proxy(own, {
      ownKeys: () => [...shared.#items.keys()],
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    });
    return { storage, events };
  }

  #change(key, change) {
    const before = this.#items.get(key);
    change();
    if (this.#items.get(key) === before) return;
    for (const events of this.#tabs) if (events !== this.acting) events.dispatchEvent(stored(key));
  }
}

const stored = (key) => Object.assign(new Event("storage"), { key });

/** Ids that are UUIDs and can be told apart. */
export function ids() {
  let count = 0;
  return () => `00000000-0000-4000-8000-${String(++count).padStart(12, "0")}`;
}

/** Numbers that look random and are the same in every run. */
export function dice(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
