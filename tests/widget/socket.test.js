import assert from "node:assert/strict";
import { test } from "node:test";
import { Socket } from "../../widget/socket.js";
import { Clock, Network, WELCOME } from "./fakes.js";

function socket({ random = () => 0.5, visible = true } = {}) {
  const clock = new Clock();
  const network = new Network();
  const seen = { states: [], frames: [], closed: [] };
  const look = { visible };
  const line = new Socket({
    ...{ url: "wss://chat.example.com/v1/widget/ws?key=K", WebSocket: network.WebSocket, clock, random },
    visible: () => look.visible,
    hello: () => ({ type: "hello", last_rev: 3 }),
    on: {
      state: (state) => seen.states.push(state),
      frame: (frame) => seen.frames.push(frame.type),
      closed: (...how) => seen.closed.push(how),
    },
  });
  const live = () => {
    line.connect();
    return network.last.welcome();
  };
  return { line, clock, network, seen, look, live };
}

test("nothing happens before somebody wants it", () => {
  const { network, clock } = socket();
  clock.pass(100_000);
  assert.equal(network.sockets.length, 0);
});

test("hello goes first, welcome makes it live", () => {
  const { line, network, seen } = socket();
  line.connect();
  assert.equal(network.last.subprotocol, "topicwire.v1");
  assert.equal(line.send({ type: "typing" }), false);
  network.last.open();
  assert.deepEqual(network.last.sent, [{ type: "hello", last_rev: 3 }]);
  network.last.say(WELCOME);
  assert.deepEqual(seen.states, ["connecting", "greeting", "live"]);
  assert.equal(line.send({ type: "typing" }), true);
});

test("connecting twice is connecting once", () => {
  const { line, network } = socket();
  line.connect();
  line.connect();
  assert.equal(network.sockets.length, 1);
});

test("a lost connection is made again, later each time", () => {
  const { line, clock, network } = socket({ random: () => 1 - Number.EPSILON });
  line.connect();
  for (const wait of [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]) {
    const { length } = network.sockets;
    network.last.drop(1006);
    clock.pass(wait - 2);
    assert.equal(network.sockets.length, length, `before ${wait}`);
    clock.pass(2);
    assert.equal(network.sockets.length, length + 1, `after ${wait}`);
  }
});

test("only a connection that lasts lets the waiting begin anew", () => {
  const { clock, network, live } = socket({ random: () => 1 - Number.EPSILON });
  live();
  network.last.drop(1012);
  clock.pass(500);
  network.last.welcome().drop(1012);
  clock.pass(500);
  assert.equal(network.sockets.length, 2);
  clock.pass(500);
  network.last.welcome();
  clock.pass(10_000);
  network.last.drop(1012);
  clock.pass(500);
  assert.equal(network.sockets.length, 4);
});

test("a network that comes back is used at once", () => {
  const { line, clock, network, live } = socket();
  live().drop();
  line.nudge();
  assert.equal(network.sockets.length, 2);
  clock.pass(60_000);
  assert.ok(network.sockets.length >= 3, "the old timer is gone, the new one runs");
});

test("a server that asked for patience gets it", () => {
  for (const code of [4400, 4413, 4429]) {
    const { line, clock, network, live } = socket();
    live().drop(code);
    line.nudge();
    line.hurry();
    clock.pass(5_000);
    assert.equal(network.sockets.length, 1);
    clock.pass(60_000);
    assert.ok(network.sockets.length > 1);
  }
});

test("where we are not wanted we stay away", () => {
  for (const code of [4403, 4404]) {
    const { line, clock, network, seen } = socket();
    line.connect();
    network.last.open();
    network.last.drop(code);
    line.connect();
    line.nudge();
    clock.pass(600_000);
    assert.equal(network.sockets.length, 1);
    assert.equal(line.state, "stopped");
    assert.deepEqual(seen.closed, [["stop", false, code]]);
  }
});

test("whoever is told of the end may prevent the next beginning", () => {
  const clock = new Clock();
  const network = new Network();
  const line = new Socket({
    ...{ url: "wss://x", WebSocket: network.WebSocket, clock, random: () => 0, visible: () => true },
    hello: () => ({ type: "hello" }),
    on: { state() {}, frame() {}, closed: () => line.leave() },
  });
  line.connect();
  network.last.welcome().drop(4401);
  clock.pass(60_000);
  assert.deepEqual([line.state, network.sockets.length], ["idle", 1]);
});

test("a welcome that does not come is not waited for", () => {
  const { line, clock, network } = socket();
  line.connect();
  network.last.open();
  clock.pass(15_000);
  assert.ok(network.sockets[0].isClosed);
  clock.pass(500);
  assert.equal(network.sockets.length, 2);
});

test("25 silent seconds ask for a sign of life, 10 more end it", () => {
  const { clock, network, live, line } = socket();
  const ws = live();
  clock.pass(24_999);
  assert.equal(ws.sentOf("ping").length, 0);
  clock.pass(1);
  assert.equal(ws.sentOf("ping").length, 1);
  ws.say({ type: "pong" });
  clock.pass(25_000);
  assert.equal(ws.sentOf("ping").length, 2);
  clock.pass(10_000);
  assert.ok(ws.isClosed);
  clock.pass(500);
  assert.equal(network.sockets.length, 2);
  assert.equal(line.state, "connecting");
});

test("anything heard is a sign of life", () => {
  const { clock, live, line } = socket();
  const ws = live();
  clock.pass(30_000);
  ws.say({ type: "status", state: "open" });
  clock.pass(10_000);
  assert.equal(line.state, "live");
});

test("nobody looks, nobody asks; on coming back one asks at once", () => {
  const { clock, live, line, look } = socket({ visible: false });
  const ws = live();
  clock.pass(600_000);
  assert.equal(ws.sentOf("ping").length, 0);
  look.visible = true;
  line.nudge();
  line.nudge();
  assert.equal(ws.sentOf("ping").length, 1);
});

test("a hung connection is not heard any more", () => {
  const { clock, live, seen } = socket();
  const ws = live();
  clock.pass(35_000);
  const heard = seen.frames.length;
  ws.onmessage?.({ data: JSON.stringify({ type: "status", state: "open" }) });
  ws.onclose?.({ code: 4404 });
  assert.equal(seen.frames.length, heard);
});

test("leaving is leaving", () => {
  const { clock, network, live, line } = socket();
  const ws = live();
  line.leave();
  clock.pass(600_000);
  assert.deepEqual([ws.isClosed, line.state, network.sockets.length], [true, "idle", 1]);
  line.connect();
  assert.equal(network.sockets.length, 2);
});

test("a browser that refuses to make a socket is asked again", () => {
  const { line, clock, network } = socket();
  network.refuses = true;
  line.connect();
  assert.equal(line.state, "waiting");
  network.refuses = false;
  clock.pass(500);
  assert.equal(network.sockets.length, 1);
});

test("what is not understood is passed over", () => {
  const { live, seen } = socket();
  const ws = live();
  for (const data of ["{", "[]", '{"type":"wave"}']) ws.onmessage({ data });
  assert.deepEqual(seen.frames, ["welcome"]);
});
