import assert from "node:assert/strict";
import { test } from "node:test";
import { Turn } from "../../widget/turn.js";

/** Web Locks for one name: a holder, a queue, and stealing. */
class Locks {
  #queue = [];
  #holder = null;

  request(name, { steal = false }, run) {
    return new Promise((resolve, reject) => {
      const wish = { run, resolve, reject };
      if (steal) {
        this.#holder?.reject(new DOMException("stolen", "AbortError"));
        this.#grant(wish);
      } else this.#queue.push(wish);
      this.#next();
    });
  }

  #next() {
    if (!this.#holder && this.#queue.length) this.#grant(this.#queue.shift());
  }

  #grant(wish) {
    this.#holder = wish;
    Promise.resolve().then(() => wish.run()).then(() => {
      wish.resolve();
      if (this.#holder !== wish) return;
      this.#holder = null;
      this.#next();
    });
  }
}

const settle = async () => {
  for (let round = 0; round < 20; round++) await Promise.resolve();
};

test("one has the turn, the next gets it when it is given up", async () => {
  const locks = new Locks();
  const [here, there] = [1, 2].map(() => new Turn(locks, "n", () => {}));
  here.want();
  there.want();
  await settle();
  assert.deepEqual([here.isMine, there.isMine], [true, false]);
  here.give();
  await settle();
  assert.deepEqual([here.isMine, there.isMine], [false, true]);
});

test("who just typed takes it, and the other gets it back afterwards", async () => {
  const locks = new Locks();
  const [here, there] = [1, 2].map(() => new Turn(locks, "n", () => {}));
  here.want();
  there.want();
  await settle();
  there.take();
  await settle();
  assert.deepEqual([here.isMine, there.isMine], [false, true]);
  there.give();
  await settle();
  assert.deepEqual([here.isMine, there.isMine], [true, false]);
});

test("who stopped waiting is not given anything", async () => {
  const locks = new Locks();
  const [here, there, third] = [1, 2, 3].map(() => new Turn(locks, "n", () => {}));
  here.want();
  there.want();
  third.want();
  await settle();
  there.give();
  here.give();
  await settle();
  assert.deepEqual([here.isMine, there.isMine, third.isMine], [false, false, true]);
});

test("changes are told", async () => {
  let changes = 0;
  const turn = new Turn(new Locks(), "n", () => changes++);
  turn.want();
  await settle();
  turn.want();
  turn.take();
  await settle();
  turn.give();
  assert.equal(changes, 2);
});

test("without locks it is always one's turn", () => {
  const turn = new Turn(undefined, "n", () => {});
  turn.want();
  assert.equal(turn.isMine, true);
  turn.give();
  assert.equal(turn.isMine, false);
  turn.take();
  assert.equal(turn.isMine, true);
});
