import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../../widget/client.js";
import { Store } from "../../widget/storage.js";
import { Clock, FakeStorage, Network, WELCOME, dice, ids } from "./fakes.js";

const AT = "2026-03-01T12:00:00.000Z";
const answer = (seq, rev, text = `answer ${seq}`) => ({ type: "message", seq, rev, from: "operator", author: "Mara", text, at: AT });
const mine = (seq, rev, id, text, state = "accepted") => ({ type: "message", seq, rev, id, from: "visitor", text, at: AT, state });
const ack = ({ id }, seq, rev) => ({ type: "ack", id, seq, rev, at: AT });

/** A browser whose tabs share a storage and a clock. */
function browser() {
  const clock = new Clock();
  const shared = new FakeStorage();
  const newId = ids();
  const tab = ({ wanted = true, session = new FakeStorage() } = {}) => {
    const network = new Network();
    const { storage, events } = shared.tab();
    const store = new Store({ local: () => storage, session: () => session, server: "https://c", key: "K" });
    const heard = { messages: [], errors: [], stopped: [], connection: [] };
    const page = { url: "https://shop.example/", title: "Shop", referrer: "" };
    const look = { wanted };
    const client = new Client({
      ...{ store, clock, newId, tabs: events, WebSocket: network.WebSocket, random: () => 0.5 },
      url: "wss://c/v1/widget/ws?key=K",
      visible: () => true,
      wanted: () => look.wanted,
      introduce: () => ({ page, visitor: { locale: "en", timezone: "UTC" } }),
      on: {
        changed() {},
        status() {},
        connection: (state) => heard.connection.push(state),
        message: (message) => heard.messages.push(message.text),
        error: (error) => heard.errors.push(error.code),
        stopped: (code) => heard.stopped.push(code),
      },
    });
    return { client, network, store, heard, page, look };
  };
  return { clock, shared, tab };
}

const shown = ({ items }) => items.map(({ text, state }) => (state ? `${text}: ${state}` : text));
const texts = (ws) => ws.sentOf("message").map(({ text }) => text);

test("a visitor who only looks causes no connection", () => {
  const { client, network } = browser().tab();
  assert.equal(client.hasPast, false);
  assert.equal(network.sockets.length, 0);
});

test("writing before there is a connection is possible and arrives once it is there", () => {
  const { client, network } = browser().tab();
  assert.equal(client.say("hello"), "ok");
  assert.deepEqual(shown(client), ["hello: sending"]);
  const ws = network.last.welcome();
  assert.deepEqual(ws.sent.map(({ type }) => type), ["hello", "message"]);
  ws.say(ack(ws.sentOf("message")[0], 1, 1));
  assert.deepEqual(shown(client), ["hello: sent"]);
  ws.say({ type: "relayed", seq: 1, rev: 2 });
  assert.deepEqual(shown(client), ["hello: delivered"]);
});

test("hello says who and where, and nothing that is not known", () => {
  const { client, network } = browser().tab();
  client.wake();
  network.last.open();
  assert.deepEqual(network.last.sent[0], {
    type: "hello",
    last_rev: 0,
    page: { url: "https://shop.example/", title: "Shop" },
    visitor: { locale: "en", timezone: "UTC" },
  });
});

test("the next page view shows at once what was said, and asks only for the rest", () => {
  const { tab, clock } = browser();
  const before = tab();
  before.client.say("hello");
  const ws = before.network.last.welcome();
  ws.say(ack(ws.sentOf("message")[0], 1, 1));
  ws.say(answer(2, 2));
  clock.pass(1_000);
  before.client.sleep();

  const after = tab();
  assert.deepEqual(shown(after.client), ["hello: sent", "answer 2"]);
  assert.ok(after.client.hasPast);
  after.client.wake();
  after.network.last.open();
  const { token, last_rev: lastRev } = after.network.last.sent[0];
  assert.deepEqual([token, lastRev], ["t1", 2]);
});

test("a page that goes before the ack sends again on the next, under the same id", () => {
  const { tab } = browser();
  const before = tab();
  before.client.say("one");
  before.client.say("two");
  const first = before.network.last.welcome().sentOf("message");
  before.client.sleep();
  const after = tab();
  assert.deepEqual(shown(after.client), ["one: sending", "two: sending"]);
  after.client.wake();
  assert.deepEqual(after.network.last.welcome().sentOf("message"), first);
});

test("who writes too fast sees the messages wait, and they follow in order by themselves", () => {
  const { client, network, clock } = setup();
  const words = Array.from({ length: 11 }, (_, index) => `m${index}`);
  for (const text of words) client.say(text);
  const ws = network.last.welcome();
  const answered = new Set();
  let tokens = 8;
  let seq = 0;
  let gate = null;
  const serve = () => {
    for (const frame of ws.sentOf("message")) {
      if (answered.has(frame)) continue;
      answered.add(frame);
      const behind = gate !== null && gate !== frame.id;
      if (behind || tokens === 0) {
        gate ??= frame.id;
        ws.say({ type: "error", code: "rate_limited", message: "Too fast.", id: frame.id, retry_after: 8 });
      } else {
        gate = null;
        tokens--;
        ws.say(ack(frame, ++seq, seq));
      }
    }
  };
  serve();
  serve();
  assert.equal(client.isHeld, true);
  assert.deepEqual(shown(client).slice(7), ["m7: sent", "m8: sending", "m9: sending", "m10: sending"]);
  for (let round = 0; round < 3; round++) {
    tokens++;
    clock.pass(8_000);
    serve();
  }
  assert.deepEqual(shown(client), words.map((text) => `${text}: sent`));
  assert.equal(client.isHeld, false);
});

test("what the catch-up brings need not be sent again", () => {
  const { client, network, clock } = setup();
  client.say("one");
  const [{ id }] = network.last.welcome().sentOf("message");
  network.last.drop(1012);
  clock.pass(1_000);
  const ws = network.last.welcome({ rev: 1 });
  ws.say(mine(1, 1, id, "one"));
  ws.say(ack({ id }, 1, 1));
  clock.pass(60_000);
  assert.equal(texts(ws).length, 1, "sent right after the welcome, never after that");
  assert.deepEqual(shown(client), ["one: sent"]);
});

function setup() {
  const { clock, tab } = browser();
  return { clock, ...tab() };
}

test("what one tab writes appears in the other at once, as on its way", () => {
  const { tab } = browser();
  const [here, there] = [tab(), tab()];
  here.client.say("hello");
  assert.deepEqual(shown(there.client), ["hello: sending"]);
  const ws = here.network.last.welcome();
  ws.say(ack(ws.sentOf("message")[0], 1, 1));
  assert.deepEqual(shown(there.client), ["hello: sent"]);
});

test("two tabs end up in one conversation", () => {
  const { tab } = browser();
  const [here, there] = [tab(), tab()];
  for (const { client, network } of [here, there]) {
    client.wake();
    network.last.open();
  }
  here.network.last.say(WELCOME);
  there.network.last.say({ ...WELCOME, conversation: "c2", token: "t2" });
  assert.equal(there.network.sockets.length, 2);
  there.network.last.open();
  assert.equal(there.network.last.sent[0].token, "t1");
});

test("a reset in one tab is a new beginning in all", () => {
  const { tab } = browser();
  const [here, there] = [tab({ wanted: false }), tab()];
  here.client.say("hello");
  const ws = here.network.last.welcome();
  ws.say(ack(ws.sentOf("message")[0], 1, 1));
  there.client.wake();
  there.network.last.welcome({ rev: 1 });
  here.client.reset();
  assert.equal(ws.sentOf("reset").length, 1);
  assert.ok(ws.isClosed);
  assert.deepEqual([shown(here.client), shown(there.client)], [[], []]);
  there.network.last.open();
  assert.equal(there.network.last.sent[0].token, undefined);
});

test("a hold that was ended elsewhere is forgotten, and the chat goes on without", () => {
  const { client, network, clock, store } = setup();
  client.say("hello");
  const ws = network.last.welcome();
  ws.say(ack(ws.sentOf("message")[0], 1, 1));
  ws.drop(4401);
  assert.deepEqual(shown(client), []);
  assert.equal(store.hold, null);
  clock.pass(1_000);
  network.last.open();
  assert.deepEqual([network.last.sent[0].token, network.last.sent[0].last_rev], [undefined, 0]);
});

test("a token that is not taken is put aside, what waits is not", () => {
  const { tab, clock } = browser();
  const before = tab();
  before.client.say("old");
  const ws = before.network.last.welcome();
  ws.say(ack(ws.sentOf("message")[0], 1, 1));
  before.network.last.drop();
  before.client.say("new");
  before.client.sleep();
  const after = tab();
  after.client.wake();
  after.network.last.open();
  after.network.last.drop(4401);
  clock.pass(1_000);
  after.network.last.welcome({ conversation: "c9", token: "t9" });
  assert.deepEqual(texts(after.network.last), ["new"]);
  assert.deepEqual(shown(after.client), ["new: sending"]);
});

test("nobody is looking: after a 4401 there is nothing to connect for", () => {
  const { client, network, clock, look } = setup();
  client.wake();
  network.last.welcome();
  look.wanted = false;
  network.last.drop(4401);
  clock.pass(600_000);
  assert.equal(network.sockets.length, 1);
});

test("a restored server: what was kept is forgotten, what waits is not", () => {
  const { client, network, clock } = setup();
  client.wake();
  network.last.welcome({ rev: 9 });
  network.last.say(answer(5, 9));
  network.last.drop();
  client.say("later");
  network.last.welcome({ recovered: false, rev: 1 });
  network.last.say(answer(1, 1, "restored"));
  clock.pass(1_000);
  assert.deepEqual(shown(client), ["restored", "later: sending"]);
});

test("a signed identity may lead to another conversation, all of it", () => {
  const { client, network } = setup();
  client.wake();
  network.last.welcome({ rev: 5 });
  network.last.say(answer(1, 5));
  client.identify({ name: "Jo", identity: "a.b.c" });
  network.last.open();
  assert.equal(network.last.sent[0].identity, "a.b.c");
  network.last.say({ ...WELCOME, conversation: "c7", token: "t7", rev: 20 });
  assert.deepEqual(shown(client), []);
  network.last.open();
  assert.deepEqual([network.last.sent[0].token, network.last.sent[0].last_rev], ["t7", 0]);
});

test("a name is told when there is somebody to tell it to", () => {
  const { client, network } = setup();
  client.identify({ name: "Jo", email: "no address" });
  assert.equal(network.sockets.length, 0);
  client.wake();
  network.last.open();
  assert.deepEqual(network.last.sent[0].visitor, { locale: "en", timezone: "UTC", name: "Jo" });
  client.identify({ email: "jo@example.com" });
  network.last.say(WELCOME);
  assert.deepEqual(network.last.sentOf("identify"), [{ type: "identify", name: "Jo", email: "jo@example.com" }]);
});

test("a server that does not like what the site says of the visitor is told less", () => {
  const { client, network, clock } = setup();
  client.identify({ name: "Jo" });
  client.wake();
  network.last.open();
  network.last.say({ type: "error", code: "bad_frame", message: "email" });
  network.last.drop(4400);
  clock.pass(60_000);
  network.last.open();
  assert.equal(network.last.sent[0].visitor.name, undefined);
});

test("a message that failed is tried again under its id", () => {
  const { client, network, heard } = setup();
  client.say("hello");
  const ws = network.last.welcome();
  const [{ id }] = ws.sentOf("message");
  ws.say(ack({ id }, 1, 1));
  ws.say({ type: "failed", seq: 1, rev: 2, reason: "Refused." });
  assert.deepEqual(shown(client), ["hello: failed"]);
  client.retry(id);
  client.retry(id);
  assert.deepEqual(shown(client), ["hello: sending"]);
  assert.equal(ws.sentOf("message").length, 2);
  assert.equal(ws.sentOf("message")[1].id, id);
  ws.say(ack({ id }, 1, 3));
  ws.say({ type: "relayed", seq: 1, rev: 4 });
  assert.deepEqual(shown(client), ["hello: delivered"]);
  assert.deepEqual(heard.messages, ["hello"]);
});

test("a blocked visitor is told so, and what they wrote stays readable", () => {
  const { client, network, heard, clock } = setup();
  client.say("hello");
  const ws = network.last.welcome();
  const [{ id }] = ws.sentOf("message");
  ws.say({ type: "error", code: "blocked", message: "Not today.", id });
  clock.pass(60_000);
  assert.deepEqual(shown(client), ["hello: failed"]);
  assert.equal(client.items[0].reason, "Not today.");
  assert.deepEqual(heard.errors, ["blocked"]);
  assert.equal(ws.sentOf("message").length, 1);
});

test("too long or empty is said before anything is stored", () => {
  const { client, network, store } = setup();
  assert.equal(client.say(" \n "), "empty");
  assert.equal(client.say("x".repeat(4001)), "too_long");
  assert.deepEqual([store.unsent.length, network.sockets.length], [0, 0]);
});

test("unread counts until it is read, here or in another tab, and the server is told once", () => {
  const { tab } = browser();
  const [here, there] = [tab(), tab()];
  for (const { client, network } of [here, there]) {
    client.wake();
    network.last.welcome();
    network.last.say(answer(1, 1));
  }
  assert.deepEqual([here.client.unread, there.client.unread], [1, 1]);
  here.client.seen();
  here.client.seen();
  assert.deepEqual([here.client.unread, there.client.unread], [0, 0]);
  there.client.seen();
  assert.deepEqual(here.network.last.sentOf("read"), [{ type: "read", seq: 1 }]);
  assert.deepEqual(there.network.last.sentOf("read"), []);
});

test("what was read offline is told later", () => {
  const { client, network, clock } = setup();
  client.wake();
  network.last.welcome();
  network.last.say(answer(1, 1));
  network.last.drop();
  client.seen();
  clock.pass(1_000);
  network.last.welcome({ rev: 1 });
  client.seen();
  assert.deepEqual(network.last.sentOf("read"), [{ type: "read", seq: 1 }]);
});

test("typing is told every four seconds at most", () => {
  const { client, network, clock } = setup();
  client.wake();
  network.last.welcome();
  for (let second = 0; second < 9; second++) {
    client.typing();
    clock.pass(1_000);
  }
  assert.equal(network.last.sentOf("typing").length, 3);
});

test("the page is told when it changes", () => {
  const { client, network, page } = setup();
  client.wake();
  network.last.welcome();
  client.moved();
  Object.assign(page, { url: "https://shop.example/sofa", title: "Sofa" });
  client.moved();
  client.moved();
  assert.deepEqual(network.last.sentOf("page"), [{ type: "page", url: "https://shop.example/sofa", title: "Sofa" }]);
});

test("older messages are asked for once, and again if no answer comes", () => {
  const { client, network, clock } = setup();
  client.wake();
  const ws = network.last.welcome({ rev: 90 });
  ws.say(answer(51, 90));
  client.older();
  client.older();
  assert.deepEqual(ws.sentOf("history"), [{ type: "history", before: 51, limit: 50 }]);
  assert.ok(client.isLoadingOlder);
  ws.say({ type: "history", messages: [answer(50, 3)], more: true });
  assert.ok(!client.isLoadingOlder);
  client.older();
  clock.pass(10_000);
  ws.say({ type: "pong" });
  client.older();
  assert.deepEqual(ws.sentOf("history").map(({ before }) => before), [51, 50, 50]);
});

test("messages are told to the page as they arrive, a first history is not news", () => {
  const { client, network, heard } = setup();
  client.wake();
  const ws = network.last.welcome({ rev: 2 });
  ws.say(answer(1, 1));
  ws.say(answer(2, 3, "news"));
  ws.say(answer(2, 3, "news"));
  assert.deepEqual(heard.messages, ["news"]);
});

test("where the key is wrong, only the owner is told", () => {
  const { client, network, heard } = setup();
  client.wake();
  network.last.open();
  network.last.drop(4404);
  client.say("hello?");
  assert.deepEqual([heard.stopped, network.sockets.length], [[4404], 1]);
});

test("the relay's delay and the conversation's state are known", () => {
  const { client, network } = setup();
  client.wake();
  network.last.welcome({ delay: 7, state: "closed" });
  assert.deepEqual(client.status, { state: "closed", delay: 7 });
  network.last.say({ type: "status", state: "open" });
  assert.deepEqual(client.status, { state: "open", delay: 0 });
});

/** A server that keeps what it is told once, answers as the interface says, and is hard to reach. */
class Server {
  messages = [];
  #rev = 0;

  hear(ws, frame, random) {
    if (frame.type !== "message") return;
    let message = this.messages.find(({ id }) => id === frame.id);
    if (!message) {
      message = mine(this.messages.length + 1, ++this.#rev, frame.id, frame.text);
      this.messages.push(message);
    }
    if (random() < 0.7) ws.say(ack(frame, message.seq, message.rev));
  }

  welcome(ws) {
    const { last_rev: lastRev } = ws.sent[0];
    ws.say({ ...WELCOME, rev: this.#rev });
    for (const message of this.messages.filter(({ rev }) => rev > lastRev)) ws.say(message);
  }
}

test("exactly once and in order, over reloads, lost connections, lost acks and several tabs", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = dice(seed);
    const pick = (list) => list[Math.floor(random() * list.length)];
    const { clock, tab } = browser();
    const server = new Server();
    const tabs = [tab(), tab()];
    const written = [];
    const serve = (one, calm = false) => {
      const ws = one.network.last;
      if (!ws || ws.isClosed) return;
      if (!ws.isOpen) {
        ws.isOpen = true;
        ws.open();
        server.welcome(ws);
      }
      ws.heard ??= 1;
      while (ws.heard < ws.sent.length && !ws.isClosed) server.hear(ws, ws.sent[ws.heard++], calm ? () => 0 : random);
    };
    const steps = [
      () => {
        const text = `m${written.length}`;
        written.push(text);
        pick(tabs).client.say(text);
      },
      () => serve(pick(tabs)),
      () => serve(pick(tabs)),
      () => pick(tabs).network.last?.onclose?.({ code: 1006 }),
      () => clock.pass(random() * 8_000),
      () => {
        const index = Math.floor(random() * tabs.length);
        tabs[index].client.sleep();
        tabs[index] = tab();
        if (tabs[index].client.hasPast) tabs[index].client.wake();
      },
    ];
    for (let step = 0; step < 50; step++) pick(steps)();
    for (let round = 0; round < 40; round++) {
      for (const one of tabs) {
        one.client.wake();
        serve(one, true);
      }
      clock.pass(1_000);
    }
    assert.deepEqual(server.messages.map(({ text }) => text), written, `seed ${seed}`);
    for (const { client, store } of tabs) {
      assert.deepEqual(shown(client), written.map((text) => `${text}: sent`), `seed ${seed}`);
      assert.deepEqual(store.unsent, []);
    }
  }
});
