import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../../widget/api.js";

function api(commands = {}) {
  const said = [];
  const console = { warn: (...words) => said.push(words), error: (...words) => said.push(words) };
  return { api: new Api(commands, console), said };
}

test("commands are run with what they are given", () => {
  const got = [];
  const { api: page } = api({ send: (...args) => got.push(args) });
  page.take(["send", "hello", 2]);
  (function () {
    page.take(arguments);
  })("send", "again");
  assert.deepEqual(got, [["hello", 2], ["again"]]);
});

test("nothing is thrown into the page", () => {
  const { api: page, said } = api({ open: () => { throw new Error("inside"); } });
  for (const call of [["open"], ["wave"], ["constructor"], ["toString"], [], [null], [Symbol("x")], null, undefined, 7]) {
    page.take(call);
  }
  assert.equal(said.length, 10);
});

test("listeners hear, until they do not want to", () => {
  const { api: page } = api();
  const heard = [];
  const listen = (detail) => heard.push(detail);
  page.take(["on", "unread", listen]);
  page.emit("unread", 1);
  page.take(["off", "unread", listen]);
  page.take(["off", "wave", listen]);
  page.emit("unread", 2);
  assert.deepEqual(heard, [1]);
});

test("one listener's trouble is not another's", () => {
  const { api: page, said } = api();
  const heard = [];
  page.take(["on", "open", () => { throw new Error("theirs"); }]);
  page.take(["on", "open", () => heard.push("mine")]);
  page.emit("open");
  assert.deepEqual([heard, said.length], [["mine"], 1]);
});

test("who comes late is told that all is ready", async () => {
  const { api: page } = api();
  page.emit("ready");
  await new Promise((resolve) => page.take(["on", "ready", resolve]));
});

test("an unknown event or something that is no function is named", () => {
  const { api: page, said } = api();
  page.take(["on", "wave", () => {}]);
  page.take(["on", "open", "x"]);
  assert.equal(said.length, 2);
});
