import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "../../widget/conversation.js";
import { dice } from "./fakes.js";

const AT = "2026-03-01T12:00:00.000Z";
const own = (seq, rev, more = {}) => ({ type: "message", seq, rev, id: `id ${seq}`, from: "visitor", text: `own ${seq}`, at: AT, state: "accepted", ...more });
const answer = (seq, rev, more = {}) => ({ type: "message", seq, rev, from: "operator", text: `answer ${seq}`, at: AT, ...more });
const ack = (id, seq, rev) => ({ type: "ack", id, seq, rev, at: AT });
const entry = (id, more = {}) => ({ id, text: `text of ${id}`, at: 1, ...more });
const talk = (...frames) => {
  const conversation = new Conversation();
  for (const frame of frames) conversation.apply(frame);
  return conversation;
};
const shown = (conversation) => conversation.items().map(({ text, state }) => (state ? `${text}: ${state}` : text));

test("messages stand in the order of seq, however they come", () => {
  assert.deepEqual(shown(talk(answer(2, 5), own(1, 7, { state: "relayed" }), answer(3, 6))), [
    "own 1: delivered", "answer 2", "answer 3",
  ]);
});

test("a message goes from sending to sent to delivered, as one and the same", () => {
  const conversation = talk();
  conversation.await([entry("a")]);
  const [{ key }] = conversation.items();
  assert.deepEqual(shown(conversation), ["text of a: sending"]);
  assert.equal(conversation.apply(ack("a", 1, 1)).settled, "a");
  assert.deepEqual(shown(conversation), ["text of a: sent"]);
  conversation.apply({ type: "relayed", seq: 1, rev: 2 });
  assert.deepEqual(shown(conversation), ["text of a: delivered"]);
  assert.equal(conversation.items()[0].key, key);
});

test("an ack does not move last_rev, everything else with a rev does", () => {
  const conversation = talk(answer(1, 1));
  conversation.await([entry("a")]);
  conversation.apply(ack("a", 3, 3));
  assert.equal(conversation.lastRev, 1);
  for (const frame of [answer(2, 2), { type: "relayed", seq: 3, rev: 4 }, { type: "failed", seq: 3, rev: 5 }, { type: "edited", seq: 2, rev: 6, text: "x" }, { type: "deleted", seq: 2, rev: 7 }]) {
    conversation.apply(frame);
    assert.equal(conversation.lastRev, frame.rev);
  }
});

test("what happens to a message before its ack is not lost", () => {
  const conversation = talk();
  conversation.await([entry("a")]);
  conversation.apply({ type: "relayed", seq: 1, rev: 2 });
  assert.deepEqual(shown(conversation), ["text of a: sending"]);
  conversation.apply(ack("a", 1, 1));
  assert.deepEqual(shown(conversation), ["text of a: delivered"]);
});

test("nor is it lost when the page goes before the ack comes", () => {
  const before = talk();
  before.await([entry("a")]);
  before.apply({ type: "relayed", seq: 1, rev: 2 });
  const after = talk();
  after.restore(JSON.parse(JSON.stringify(before.snapshot())));
  after.await([entry("a")]);
  after.apply(ack("a", 1, 1));
  assert.deepEqual(shown(after), ["text of a: delivered"]);
});

test("a repeated ack changes nothing", () => {
  const conversation = talk();
  conversation.await([entry("a")]);
  for (const frame of [ack("a", 1, 1), { type: "relayed", seq: 1, rev: 2 }, ack("a", 1, 1), ack("a", 1, 2)]) {
    conversation.apply(frame);
  }
  assert.deepEqual(shown(conversation), ["text of a: delivered"]);
});

test("the same message from another socket is an acknowledgement too", () => {
  const conversation = talk();
  conversation.await([entry("id 1")]);
  assert.equal(conversation.apply(own(1, 1)).settled, "id 1");
  assert.deepEqual(shown(conversation), ["own 1: sent"]);
  conversation.await([entry("id 1")]);
  assert.deepEqual(shown(conversation), ["own 1: sent"]);
});

test("a failed message can be tried again, whether its repeat takes a new rev or not", () => {
  for (const rev of [3, 4]) {
    const conversation = talk(own(1, 1), { type: "failed", seq: 1, rev: 3, reason: "no" });
    assert.deepEqual(shown(conversation), ["own 1: failed"]);
    assert.equal(conversation.items()[0].reason, "no");
    conversation.await([entry("id 1", { rev: 3 })]);
    assert.deepEqual(shown(conversation), ["own 1: sending"]);
    conversation.apply(ack("id 1", 1, rev));
    assert.deepEqual(shown(conversation), ["own 1: sent"]);
    assert.equal(conversation.items()[0].reason, undefined);
    conversation.apply({ type: "relayed", seq: 1, rev: 5 });
    assert.deepEqual(shown(conversation), ["own 1: delivered"]);
  }
});

test("a retry is not acknowledged by old news of the failure", () => {
  const conversation = talk(own(1, 3, { state: "failed" }));
  conversation.await([entry("id 1", { rev: 3 })]);
  assert.equal(conversation.apply(own(1, 3, { state: "failed" })).settled, undefined);
  assert.deepEqual(shown(conversation), ["own 1: sending"]);
});

test("the reason of a failure survives a catch-up that does not repeat it", () => {
  const conversation = talk(own(1, 1), { type: "failed", seq: 1, rev: 2, reason: "no" }, own(1, 2, { state: "failed" }));
  assert.equal(conversation.items()[0].reason, "no");
  conversation.apply(own(1, 3, { state: "relayed" }));
  assert.equal(conversation.items()[0].reason, undefined);
});

test("edits and deletions change what is there", () => {
  const conversation = talk(answer(1, 1, { entities: [{ type: "bold", offset: 0, length: 1 }] }));
  conversation.apply({ type: "edited", seq: 1, rev: 2, text: "better" });
  assert.deepEqual([conversation.items()[0].text, conversation.items()[0].entities], ["better", undefined]);
  assert.ok(conversation.items()[0].edited);
  conversation.apply({ type: "deleted", seq: 1, rev: 3 });
  assert.deepEqual([conversation.items()[0].text, conversation.items()[0].deleted], ["", true]);
});

test("old news do not undo newer", () => {
  const conversation = talk(answer(1, 5, { text: "new" }), answer(1, 2, { text: "old" }), { type: "edited", seq: 1, rev: 3, text: "older" });
  assert.deepEqual(shown(conversation), ["new"]);
  assert.equal(conversation.lastRev, 5);
});

test("an edit of something out of sight does not tear a hole", () => {
  const conversation = talk(answer(40, 90), answer(41, 91));
  conversation.apply({ type: "edited", seq: 3, rev: 92, text: "x" });
  conversation.apply(answer(4, 93));
  assert.deepEqual(shown(conversation), ["answer 40", "answer 41"]);
  assert.equal(conversation.oldest, 40);
  assert.equal(conversation.lastRev, 93);
});

test("a hole that an ack will fill hides nothing", () => {
  const conversation = talk(answer(1, 1));
  conversation.await([entry("a")]);
  conversation.apply(answer(3, 3));
  assert.deepEqual(shown(conversation), ["answer 1", "answer 3", "text of a: sending"]);
  conversation.apply(ack("a", 2, 2));
  assert.deepEqual(shown(conversation), ["answer 1", "text of a: sent", "answer 3"]);
});

test("while catching up in the order of rev nothing is hidden", () => {
  const conversation = talk(answer(1, 1));
  conversation.expect(9);
  conversation.apply(answer(5, 6));
  assert.deepEqual(shown(conversation), ["answer 1", "answer 5"]);
});

test("history fills in what is older, as far back as there is", () => {
  const conversation = talk(answer(3, 9));
  assert.ok(conversation.hasOlder);
  conversation.apply({ type: "history", messages: [own(1, 2), answer(2, 3)], more: false });
  assert.deepEqual(shown(conversation), ["own 1: sent", "answer 2", "answer 3"]);
  assert.ok(!conversation.hasOlder);
  assert.equal(conversation.lastRev, 9);
});

test("unread are the answers beyond what was read", () => {
  const conversation = talk(answer(1, 1), own(2, 2), answer(3, 3), answer(4, 4, { deleted: AT }), answer(5, 5, { from: "system" }));
  assert.equal(conversation.unread(0), 2);
  assert.equal(conversation.unread(1), 1);
  assert.equal(conversation.unread(3), 0);
  assert.equal(conversation.heard, 5);
});

test("arrivals are told once, and only what others wrote", () => {
  const conversation = talk();
  assert.equal(conversation.apply(answer(1, 1)).arrived.text, "answer 1");
  assert.equal(conversation.apply(answer(1, 2)).arrived, undefined);
  assert.equal(conversation.apply(own(2, 3)).arrived, undefined);
});

test("what is refused is shown as failed with its reason", () => {
  const conversation = talk();
  conversation.await([entry("a", { refused: "You are blocked." })]);
  assert.deepEqual(conversation.items().map(({ state, reason }) => [state, reason]), [["failed", "You are blocked."]]);
});

test("a kept conversation goes on where it was", () => {
  const before = talk(own(1, 1), answer(2, 2));
  const after = talk();
  after.restore(before.snapshot());
  assert.deepEqual(after.items(), before.items());
  assert.equal(after.lastRev, 2);
});

test("only so much is kept, and the rest is still to be had", () => {
  const many = talk();
  for (let seq = 1; seq <= 250; seq++) many.apply(answer(seq, seq));
  const after = talk();
  after.restore(many.snapshot());
  assert.equal(after.items().length, 100);
  assert.equal(after.oldest, 151);
  assert.ok(after.hasOlder);
  const long = talk();
  for (let seq = 1; seq <= 80; seq++) long.apply(answer(seq, seq, { text: "x".repeat(4000) }));
  assert.ok(JSON.stringify(long.snapshot()).length < 260_000);
});

test("forgetting keeps what waits, forgetting everything does not", () => {
  const conversation = talk(own(1, 3, { state: "failed" }));
  conversation.await([entry("id 1", { rev: 3 }), entry("b")]);
  conversation.clear();
  assert.deepEqual(shown(conversation), ["text of id 1: sending", "text of b: sending"]);
  assert.equal(conversation.lastRev, 0);
  assert.equal(conversation.apply(own(1, 1)).settled, "id 1");
  conversation.clear({ everything: true });
  assert.ok(conversation.isEmpty);
});

/**
 * A server in ten lines: it numbers messages and changes as the interface says. A client hears it
 * with acks delayed at will, connections cut at will, frames repeated at will; in the end it must
 * show what the server has.
 */
class Server {
  messages = [];
  log = [];
  #rev = 0;

  add(message) {
    const full = { type: "message", seq: this.messages.length + 1, at: AT, ...message };
    this.messages.push(full);
    return this.#changed(full, { ...full });
  }

  change(seq, fields, frame) {
    const message = this.messages[seq - 1];
    Object.assign(message, fields);
    return this.#changed(message, { ...frame, seq });
  }

  since(rev) {
    return this.messages.filter((message) => message.rev > rev).sort((a, b) => a.rev - b.rev);
  }

  #changed(message, frame) {
    message.rev = ++this.#rev;
    frame.rev = this.#rev;
    this.log.push(frame);
    return frame;
  }
}

function live(seed) {
  const random = dice(seed);
  const pick = (n) => Math.floor(random() * n);
  const server = new Server();
  let client = new Conversation();
  let acks = [];
  let unsent = [];
  let heard = 0;
  const settle = ({ settled }) => (unsent = unsent.filter(({ id }) => id !== settled));
  const hear = () => {
    const frame = server.log[heard++];
    const isOwnNews = frame.type === "message" && acks.some(({ id }) => id === frame.id);
    if (!isOwnNews) settle(client.apply(frame));
    if (pick(10) === 0) settle(client.apply(frame));
  };
  const receive = ({ id, text }) => {
    const known = server.messages.find((message) => message.id === id);
    const { seq, rev } = known ?? server.add({ id, text, from: "visitor", state: "accepted" });
    acks.push(ack(id, seq, rev));
  };
  const reconnect = () => {
    acks = [];
    if (pick(2)) {
      const snapshot = JSON.parse(JSON.stringify(client.snapshot()));
      client = new Conversation();
      client.restore(snapshot);
      client.await(unsent);
    }
    const missed = server.since(client.lastRev).map((message) => ({ ...message }));
    client.expect(server.log.length);
    for (const message of missed) settle(client.apply(message));
    heard = server.log.length;
    for (const waiting of unsent) receive(waiting);
  };
  const steps = [
    () => {
      const message = { id: `m ${seed} ${server.log.length} ${unsent.length} ${pick(1e9)}`, text: "hi", at: 1 };
      unsent.push(message);
      client.await([message]);
      receive(message);
    },
    () => server.add({ from: "operator", text: `answer ${pick(1000)}` }),
    () => server.messages.length && changeAny(),
    () => heard < server.log.length && hear(),
    () => heard < server.log.length && hear(),
    () => acks.length && settle(client.apply(acks.shift())),
    () => pick(6) === 0 && reconnect(),
  ];
  const changeAny = () => {
    const { seq, from, state } = server.messages[pick(server.messages.length)];
    if (from === "visitor" && state === "accepted") {
      if (pick(4)) server.change(seq, { state: "relayed" }, { type: "relayed" });
      else server.change(seq, { state: "failed" }, { type: "failed", reason: "no" });
    } else if (from === "operator" && pick(2)) {
      const text = `edited ${pick(1000)}`;
      server.change(seq, { text, edited: AT, entities: undefined }, { type: "edited", text });
    } else if (from === "operator") {
      server.change(seq, { text: "", deleted: AT, entities: undefined }, { type: "deleted" });
    }
  };
  for (let step = 0; step < 120; step++) steps[pick(steps.length)]();
  reconnect();
  while (acks.length) settle(client.apply(acks.shift()));
  return { client, server, unsent };
}

test("whatever the order of things, in the end the client shows what the server has", () => {
  const STATES = { accepted: "sent", relayed: "delivered", failed: "failed" };
  const essence = ({ seq, id, text, from, state, deleted, edited }) => ({
    seq, id, text, from, state: STATES[state] ?? state, deleted: Boolean(deleted), edited: Boolean(edited),
  });
  for (let seed = 1; seed <= 400; seed++) {
    const { client, server, unsent } = live(seed);
    assert.deepEqual(unsent, [], `seed ${seed}`);
    assert.deepEqual(client.items().map(essence), server.messages.slice(-client.items().length).map(essence), `seed ${seed}`);
    assert.equal(client.items().length, server.messages.length, `seed ${seed}`);
  }
});
