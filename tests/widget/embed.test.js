import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const folder = new URL("../../widget/", import.meta.url);
const source = readFileSync(new URL("embed.js", folder), "utf8");
const modules = readdirSync(folder).filter((name) => name.endsWith(".js") && name !== "embed.js");

/** As much of a page as embed.js needs. */
function page({ key = "K", body = {}, stub } = {}) {
  const warnings = [];
  const element = (tag) => ({
    tag,
    children: [],
    styles: {},
    style: { setProperty() {} },
    appendChild(child) {
      this.children.push(child);
    },
  });
  const root = element("html");
  const waiting = [];
  const script = { src: "https://chat.example.com/widget.js?x=1", getAttribute: () => key };
  const document = {
    ...{ body, documentElement: root, createElement: element, currentScript: script },
    querySelector: () => null,
    addEventListener: (event, run) => waiting.push(run),
  };
  const window = { Topicwire: stub };
  const context = vm.createContext({ window, document, URL, console: { warn: (text) => warnings.push(text) } });
  const run = () => vm.runInContext(source, context);
  run();
  return { window, root, warnings, waiting, document, run };
}

test("the version is a literal that the server replaces", () => {
  assert.equal(source.split('const VERSION = "dev";').length, 2);
});

test("every module is asked for at once", () => {
  const [host] = page().root.children;
  const preloaded = host.children.filter(({ rel }) => rel === "modulepreload").map(({ href }) => href);
  const expected = modules.map((name) => `https://chat.example.com/widget/dev/${name}`);
  assert.deepEqual(preloaded.sort(), expected.sort());
  assert.equal(host.children.at(-1).src, "https://chat.example.com/widget/dev/main.js");
});

test("nothing newer than ES2018 is written in it", () => {
  for (const newer of [/\?\./, /\?\?/, /\bimport\s*\(/, /#\w+\s*[=(]/, /\bcatch\s*\{/]) assert.doesNotMatch(source, newer);
});

test("calls are kept until the chat is there, in their order", () => {
  const { window, root } = page({ stub: Object.assign(() => {}, { q: [["open"], ["send", "a"]] }) });
  window.Topicwire("send", "b");
  const got = [];
  root.children[0].topicwire.take((call) => got.push(Array.from(call)));
  window.Topicwire("send", "c");
  assert.deepEqual(got, [["open"], ["send", "a"], ["send", "b"], ["send", "c"]]);
});

test("who kept the stub still reaches the chat", () => {
  const stub = Object.assign(() => {}, { q: [] });
  const { window, root } = page({ stub });
  const got = [];
  stub.q.push(["open"]);
  root.children[0].topicwire.take((call) => got.push(call[0]));
  stub.q.push(["close"]);
  window.Topicwire.q.push(["toggle"]);
  assert.deepEqual(got, ["open", "close", "toggle"]);
});

test("twice is once", () => {
  const { root, run } = page();
  run();
  assert.equal(root.children.length, 1);
});

test("without a key the owner is told and nothing else happens", () => {
  const { window, root, warnings } = page({ key: null });
  assert.deepEqual([window.Topicwire, root.children.length, warnings.length], [undefined, 0, 1]);
});

test("a script in the head waits for the body", () => {
  const { root, waiting } = page({ body: null });
  assert.equal(root.children.length, 0);
  waiting[0]();
  assert.equal(root.children.length, 1);
});

test("nothing of others ever becomes HTML", () => {
  for (const name of modules) {
    const text = readFileSync(new URL(name, folder), "utf8");
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function/, name);
  }
});

test("a page that forbids it is told so, not broken", () => {
  const { root, warnings, waiting } = page({ body: null });
  root.appendChild = () => {
    throw new TypeError("This document requires 'TrustedScriptURL' assignment.");
  };
  waiting[0]();
  assert.match(warnings[0], /does not let the chat load/);
});
