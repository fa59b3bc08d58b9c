/**
 * The conversation as this browser remembers it: the model, and what of it is stored, in step with
 * other tabs. What waits to be sent is shown until it is settled, whichever tab wrote it.
 */
import { Conversation } from "./conversation.js";

const SAVE_AFTER = 200;

export class Memory {
  #store;
  #clock;
  #cancelSave = null;

  /** The model. */
  talk = new Conversation();

  /** The id of the conversation that the model holds, null while there is none. */
  conversation = null;

  /**
   * @param {import("./storage.js").Store} store
   * @param {{after: (ms: number, run: () => void) => () => void}} clock
   */
  constructor(store, clock) {
    this.#store = store;
    this.#clock = clock;
    const { hold, kept } = store;
    if (hold && kept?.conversation === hold.conversation) {
      this.conversation = hold.conversation;
      this.talk.restore(kept);
    }
    for (const id of this.talk.settledOf(store.unsent)) store.dropUnsent(id);
    this.awaitUnsent();
  }

  /** Takes in a frame. What is settled must be stored before it is struck off what waits. */
  apply(frame) {
    const outcome = this.talk.apply(frame);
    if (outcome.settled) this.save();
    else this.#cancelSave ??= this.#clock.after(SAVE_AFTER, () => this.save());
    return outcome;
  }

  save() {
    this.#endSave();
    if (this.conversation === null) return;
    this.#store.keep({ conversation: this.conversation, ...this.talk.snapshot() });
  }

  awaitUnsent() {
    this.talk.await(this.#store.unsent);
  }

  /** Another tab has kept something, perhaps of our conversation. */
  mergeKept() {
    const { kept } = this.#store;
    if (!kept) return;
    this.conversation ??= kept.conversation;
    if (this.conversation === kept.conversation) this.talk.merge(kept.messages);
  }

  /** Whether the stored hold is that of another conversation than ours, or gone. */
  get isOutdated() {
    return this.conversation !== null && this.conversation !== this.#store.hold?.conversation;
  }

  /**
   * What we hold is not, or no longer, a conversation of ours.
   * @param {{stored?: boolean, everything?: boolean}} also forget what is stored, what waits
   */
  lose({ stored = false, everything = false } = {}) {
    this.#endSave();
    if (stored) this.#store.forget();
    this.conversation = null;
    this.talk.clear({ everything });
    this.awaitUnsent();
  }

  #endSave() {
    this.#cancelSave?.();
    this.#cancelSave = null;
  }
}
