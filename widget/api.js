/** `window.Topicwire(command, …args)`: never throws into the page, whatever it is given. */

const EVENTS = new Set([
  ...["ready", "open", "close", "message", "unread", "status", "identity_expired", "error"],
]);

export class Api {
  #commands;
  #listeners = new Map([...EVENTS].map((event) => [event, new Set()]));
  #isReady = false;
  #console;

  /**
   * @param {Record<string, (...args: unknown[]) => void>} commands
   * @param {Pick<Console, "warn"|"error">} console
   */
  constructor(commands, console) {
    this.#console = console;
    const on = (event, listener) => this.#on(event, listener);
    const off = (event, listener) => this.#listeners.get(event)?.delete(listener);
    this.#commands = new Map(Object.entries({ ...commands, on, off }));
  }

  /** @param {ArrayLike<unknown>} call as the page made it */
  take(call) {
    this.#guard(() => {
      const [command, ...args] = Array.from(call);
      const run = this.#commands.get(command);
      if (run) run(...args);
      else this.#console.warn(`Topicwire: there is no command "${String(command)}".`);
    });
  }

  /** Tells the page's listeners. */
  emit(event, detail) {
    if (event === "ready") this.#isReady = true;
    for (const listener of [...this.#listeners.get(event)]) this.#guard(() => listener(detail));
  }

  #on(event, listener) {
    if (!EVENTS.has(event) || typeof listener !== "function") {
      this.#console.warn(`Topicwire: on("${String(event)}", …) needs a known event and a function.`);
      return;
    }
    this.#listeners.get(event).add(listener);
    if (event === "ready" && this.#isReady) queueMicrotask(() => this.#guard(listener));
  }

  #guard(run) {
    try {
      run();
    } catch (error) {
      this.#console.error("Topicwire:", error);
    }
  }
}
