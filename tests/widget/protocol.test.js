import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  LIMITS, afterClose, clean, decode, encode, isBlank, pageOf, personOf, verdict,
} from "../../widget/protocol.js";

const examples = JSON.parse(readFileSync(new URL("../protocol/frames.json", import.meta.url)));
const ID = "3f0f4a52-9b5e-4f6f-8a0b-0b8f0c7c2f11";

for (const { name, frame, raw, verdict: expected } of examples.client) {
  test(`we judge like the server: ${name}`, () => {
    assert.equal(verdict(frame ?? parsed(raw)), expected);
  });
}

for (const { name, frame } of examples.server) {
  test(`we understand: ${name}`, () => {
    assert.deepEqual(decode(JSON.stringify(frame)), frame);
  });
}

test("what is not understood is nothing", () => {
  for (const data of ["", "[]", "{", "null", '"x"', '{"type":"wave"}', '{"type":"hello"}', undefined]) {
    assert.equal(decode(data), null);
  }
});

test("a frame that lacks what it is about is nothing", () => {
  for (const { frame } of examples.server) {
    if (frame.type === "pong") continue;
    assert.equal(decode(JSON.stringify({ type: frame.type })), null, frame.type);
  }
});

test("unknown fields and null are no reason to refuse", () => {
  const welcome = examples.server[0].frame;
  const frame = { ...welcome, delay: null, colour: "red" };
  assert.deepEqual(decode(JSON.stringify(frame)), frame);
});

test("names of Object.prototype are no types", () => {
  assert.equal(verdict({ type: "constructor" }), "unknown_type");
  assert.equal(decode('{"type":"constructor"}'), null);
});

test("length is counted in UTF-16 units", () => {
  const message = (text) => verdict({ type: "message", id: ID, text });
  assert.equal(message("x".repeat(LIMITS.text)), "ok");
  assert.equal(message("x".repeat(LIMITS.text + 1)), "too_long");
  assert.equal(message("😀".repeat(LIMITS.text / 2)), "ok");
  assert.equal(message("😀".repeat(LIMITS.text / 2) + "x"), "too_long");
});

test("only good frames are encoded", () => {
  assert.equal(encode({ type: "read", seq: 4 }), '{"type":"read","seq":4}');
  assert.throws(() => encode({ type: "read", seq: -1 }), TypeError);
});

test("close codes ask for what the interface says", () => {
  const expected = { 4400: "patient", 4401: "token", 4403: "stop", 4404: "stop", 4413: "patient", 4429: "patient" };
  for (const [code, action] of Object.entries(expected)) assert.equal(afterClose(Number(code)), action);
  for (const code of [1000, 1006, 1009, 1011, 1012, 4999]) assert.equal(afterClose(code), "again");
});

test("cleaned text is what the server accepts", () => {
  assert.equal(clean("  a\0b\n"), "ab");
  assert.equal(clean("\ud83d and 😀"), "\ufffd and 😀");
  assert.ok(isBlank(" \u200b\u202e\n"));
  assert.ok(!isBlank("👍"));
});

test("a page never makes a frame too large, nor cuts a character in two", () => {
  const page = pageOf({ url: `https://a.example/${"x".repeat(9000)}`, title: `${"t".repeat(255)}😀` });
  assert.equal(page.url.length, LIMITS.url);
  assert.equal(verdict({ type: "page", ...page }), "ok");
  assert.equal(verdict({ type: "hello", page: pageOf({}) }), "ok");
});

test("what a site says about the visitor is taken only as far as it makes sense", () => {
  assert.deepEqual(personOf({ email: "jo", name: 7, identity: "" }), {});
  assert.deepEqual(personOf({ email: "jo@example.com", name: "Jo", colour: "red" }), {
    email: "jo@example.com",
    name: "Jo",
  });
  assert.deepEqual(personOf(undefined), {});
});

function parsed(raw) {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}
