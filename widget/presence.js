/**
 * What the server is told about the visitor besides their messages: who they are as far as the
 * site knows, which page they are on, that they type, what they have read.
 */
import { pageOf, personOf } from "./protocol.js";

const TYPING_EVERY = 4_000;

export class Presence {
  #send;
  #store;
  #clock;
  #introduce;
  #person = {};
  #told = {};
  #isBelieved = true;
  #url = "";
  #typedAt = -Infinity;

  /**
   * @param {object} parts
   * @param {(frame: object) => boolean} parts.send says whether the frame went out
   * @param {import("./storage.js").Store} parts.store
   * @param {{now: () => number}} parts.clock
   * @param {() => {page: object, visitor: object}} parts.introduce what the page says by itself
   */
  constructor({ send, store, clock, introduce }) {
    this.#send = send;
    this.#store = store;
    this.#clock = clock;
    this.#introduce = introduce;
  }

  /** The part of `hello` that is about the visitor. */
  hello() {
    const { page, visitor } = this.#introduce();
    const { identity, ...person } = this.#isBelieved ? this.#person : {};
    const place = pageOf(page);
    this.#url = place.url;
    this.#told = this.#person;
    return { identity, page: place, visitor: { ...visitor, ...person } };
  }

  /**
   * Who the visitor is. What makes no sense is left out.
   * @returns {boolean} whether that is a new signed identity, which only `hello` can bring
   */
  identify(details) {
    const { identity } = this.#person;
    this.#person = { ...this.#person, ...personOf(details) };
    this.#isBelieved = true;
    return this.#person.identity !== identity;
  }

  /** Says what has been learned since `hello`. */
  catchUp() {
    if (this.#told === this.#person) return;
    if (this.#send({ type: "identify", ...this.#person })) this.#told = this.#person;
  }

  /** The server could not take our `hello`: the next one says less. */
  doubt() {
    this.#isBelieved = false;
  }

  forget() {
    this.#person = this.#told = {};
  }

  typing() {
    const now = this.#clock.now();
    if (now - this.#typedAt >= TYPING_EVERY && this.#send({ type: "typing" })) this.#typedAt = now;
  }

  moved() {
    const { url, title } = pageOf(this.#introduce().page);
    if (url !== this.#url && this.#send({ type: "page", url, title })) this.#url = url;
  }

  /** @returns {boolean} whether reading up to `heard` changes anything */
  seen(heard) {
    const marks = this.#store.marks;
    const read = Math.max(marks.read, heard);
    const told = read > marks.told && this.#send({ type: "read", seq: read }) ? read : marks.told;
    if (read === marks.read && told === marks.told) return false;
    this.#store.marks = { read, told };
    return true;
  }
}
