import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../../widget/outbox.js";
import { Store } from "../../widget/storage.js";
import { Clock, FakeStorage, dice, ids } from "./fakes.js";

function outbox({ local = new FakeStorage(), open = true } = {}) {
  const clock = new Clock();
  const store = new Store({ local: () => local, session: () => null, server: "s", key: "k" });
  const sent = [];
  const told = { silent: 0 };
  const line = { isUp: true };
  const send = ({ text }) => line.isUp && sent.push(text) > 0;
  const box = new Outbox({ store, clock, send, silent: () => told.silent++, newId: ids() });
  if (open) box.open();
  const say = (text) => {
    const entry = box.add(text);
    box.pump();
    return entry.id;
  };
  return { box, clock, store, sent, told, say, line, local };
}

test("what is written is stored before it is sent", () => {
  const { box, store, sent } = outbox();
  box.add("a");
  assert.deepEqual([store.unsent.length, sent], [1, []]);
  box.pump();
  assert.deepEqual(sent, ["a"]);
});

test("nothing goes out while there is no connection or it is not our turn", () => {
  const { box, sent, say } = outbox({ open: false });
  say("a");
  say("b");
  assert.deepEqual(sent, []);
  box.open();
  assert.deepEqual(sent, ["a", "b"]);
});

test("what is acknowledged is gone", () => {
  const { box, clock, store, sent, say } = outbox();
  box.settle(say("a"));
  clock.pass(60_000);
  assert.deepEqual([store.unsent, sent], [[], ["a"]]);
});

test("ten silent seconds, and everything from there on is sent again in order", () => {
  const { clock, sent, say, told } = outbox();
  say("a");
  clock.pass(4_000);
  say("b");
  clock.pass(5_999);
  assert.deepEqual(sent, ["a", "b"]);
  clock.pass(1);
  assert.deepEqual(sent, ["a", "b", "a", "b"]);
  assert.equal(told.silent, 1);
});

test("after a reconnect everything unacknowledged is sent again in order", () => {
  const { box, sent, say } = outbox();
  const first = say("a");
  say("b");
  say("c");
  box.settle(first);
  box.close();
  box.open();
  assert.deepEqual(sent, ["a", "b", "c", "b", "c"]);
});

test("after a reload too, and the order is that of writing", () => {
  const { sent, say, local } = outbox({ open: false });
  for (const text of ["a", "b", "c"]) say(text);
  assert.deepEqual(sent, []);
  assert.deepEqual(outbox({ local }).sent, ["a", "b", "c"]);
});

test("a refusal holds what is behind it until it is repeated", () => {
  const { box, clock, sent, say } = outbox();
  const [a, b, c] = ["a", "b", "c"].map(say);
  box.settle(a);
  box.refuse({ id: b, code: "rate_limited", retry_after: 3 });
  box.refuse({ id: c, code: "rate_limited", retry_after: 1 });
  say("d");
  clock.pass(2_999);
  assert.deepEqual(sent, ["a", "b", "c"]);
  clock.pass(1);
  assert.deepEqual(sent, ["a", "b", "c", "b", "c", "d"]);
});

test("a server without its database is asked again later", () => {
  const { box, clock, sent, say } = outbox();
  box.refuse({ id: say("a"), code: "unavailable" });
  clock.pass(4_999);
  assert.deepEqual(sent, ["a"]);
  clock.pass(1);
  assert.deepEqual(sent, ["a", "a"]);
});

test("what can never be taken fails, stays readable and holds nothing up", () => {
  const { box, clock, store, sent, say } = outbox();
  const [a] = ["a", "b"].map(say);
  const entry = box.refuse({ id: a, code: "blocked", message: "You are blocked." });
  assert.equal(entry.refused, "You are blocked.");
  clock.pass(10_000);
  assert.deepEqual(sent, ["a", "b", "b"]);
  box.retry(store.unsent[0]);
  box.pump();
  assert.deepEqual(sent.at(-1), "a");
});

test("a refusal of something that is not ours is nothing", () => {
  assert.equal(outbox().box.refuse({ code: "bad_frame" }), undefined);
});

test("only so many are in flight at once", () => {
  const { box, sent, say } = outbox();
  const all = Array.from({ length: 12 }, (_, index) => say(`m${index}`));
  assert.equal(sent.length, 8);
  all.slice(0, 4).forEach((id) => box.settle(id));
  assert.equal(sent.length, 12);
});

test("what another tab has settled is not waited for", () => {
  const { clock, store, sent, say, told } = outbox();
  store.dropUnsent(say("a"));
  clock.pass(30_000);
  assert.deepEqual([sent, told.silent], [["a"], 0]);
});

test("a line that breaks in the middle loses and doubles nothing", () => {
  const { box, sent, say, line } = outbox();
  line.isUp = false;
  say("a");
  say("b");
  line.isUp = true;
  box.close();
  box.open();
  assert.deepEqual(sent, ["a", "b"]);
});

test("a spoiled entry in storage does not hold up the others", () => {
  const { box, store, sent } = outbox();
  store.putUnsent({ id: "no uuid", text: "x", at: 0 });
  store.putUnsent({ id: ids()(), text: "", at: 0 });
  box.add("a");
  box.pump();
  assert.deepEqual(sent, ["a"]);
});

test("the first arrival of every message is in order, whatever fails on the way", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = dice(seed);
    const arrived = [];
    let heldBy = null;
    let isDead = false;
    const clock = new Clock();
    const local = new FakeStorage();
    const store = new Store({ local: () => local, session: () => null, server: "s", key: "k" });
    const answers = [];
    const send = ({ id, text }) => {
      isDead ||= random() < 0.05;
      if (isDead) return true; // what a dead connection takes is lost, and so is all that follows
      const refused = heldBy !== null ? heldBy !== id || random() < 0.3 : random() < 0.15;
      if (refused) {
        heldBy ??= id;
        answers.push(() => box.refuse({ id, code: "rate_limited", retry_after: 1 }));
        return true;
      }
      if (heldBy === id) heldBy = null;
      if (!arrived.includes(text)) arrived.push(text);
      if (random() < 0.9) answers.push(() => box.settle(id));
      return true;
    };
    const reconnect = () => {
      answers.length = 0;
      heldBy = null;
      isDead = false;
      box.close();
      box.open();
    };
    const box = new Outbox({ store, clock, send, newId: ids() });
    box.open();
    const written = [];
    for (let step = 0; step < 60; step++) {
      const what = random();
      if (what < 0.25) {
        written.push(`m${step}`);
        box.add(`m${step}`);
        box.pump();
      } else if (what < 0.7) answers.shift()?.();
      else if (what < 0.9) clock.pass(random() * 6_000);
      else reconnect();
    }
    for (let round = 0; round < 200 && store.unsent.length; round++) {
      answers.shift()?.();
      clock.pass(1_000);
      if (isDead) reconnect();
    }
    assert.deepEqual(arrived, written, `seed ${seed}`);
  }
});
