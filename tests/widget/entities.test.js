import assert from "node:assert/strict";
import { test } from "node:test";
import { isJumbo, runs, safeUrl } from "../../widget/entities.js";
import { dice } from "./fakes.js";

const span = (type, offset, length, url) => ({ type, offset, length, ...(url && { url }) });
const node = (type, ...children) => ({ type, children });
const link = (url, ...children) => ({ type: "link", url, children });
const flat = (run) => (typeof run === "string" ? run : run.children.map(flat).join(""));

test("text without entities is itself", () => {
  assert.deepEqual(runs("hello"), ["hello"]);
  assert.deepEqual(runs(""), []);
  assert.deepEqual(runs("hello", null), ["hello"]);
});

test("one entity", () => {
  assert.deepEqual(runs("a bold b", [span("bold", 2, 4)]), ["a ", node("bold", "bold"), " b"]);
});

test("nested entities are nested", () => {
  assert.deepEqual(runs("abcd", [span("bold", 0, 4), span("italic", 1, 2)]), [
    node("bold", "a", node("italic", "bc"), "d"),
  ]);
});

test("overlapping entities are cut", () => {
  assert.deepEqual(runs("abcdef", [span("bold", 0, 4), span("italic", 2, 4)]), [
    node("bold", "ab", node("italic", "cd")),
    node("italic", "ef"),
  ]);
});

test("blocks stay outside, whatever is around them", () => {
  assert.deepEqual(runs("abcd", [span("bold", 0, 4), span("quote", 1, 2)]), [
    node("bold", "a"),
    node("quote", node("bold", "bc")),
    node("bold", "d"),
  ]);
});

test("the line break after a block is the block's own", () => {
  assert.deepEqual(runs("q\nrest", [span("quote", 0, 1)]), [node("quote", "q"), "rest"]);
  assert.deepEqual(runs("q\n\nrest", [span("quote", 0, 1)]), [node("quote", "q"), "\nrest"]);
  assert.deepEqual(runs("q\n", [span("pre", 0, 1)]), [node("pre", "q")]);
});

test("offsets are UTF-16 units and never cut a character", () => {
  assert.deepEqual(runs("😀 bold", [span("bold", 3, 4)]), ["😀 ", node("bold", "bold")]);
  assert.deepEqual(runs("a😀b", [span("bold", 0, 2)]), [node("bold", "a"), "😀b"]);
});

test("what makes no sense is left out", () => {
  const odd = [span("wave", 0, 2), span("bold", 9, 2), span("bold", 1, 0), span("bold", "x", 2), span("bold", -5, 3)];
  assert.deepEqual(runs("abc", odd), ["abc"]);
  assert.deepEqual(runs("abc", [span("bold", 1, 99)]), ["a", node("bold", "bc")]);
});

test("links go only where links may go", () => {
  const url = "https://shop.example/a";
  assert.deepEqual(runs("here", [span("link", 0, 4, url)]), [link(url, "here")]);
  for (const bad of ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "x", ""]) {
    assert.deepEqual(runs("x y", [span("link", 0, 3, bad)]), ["x y"], bad);
  }
});

test("a link without an address is its text", () => {
  assert.deepEqual(runs("shop.example", [span("link", 0, 12)]), [link("https://shop.example/", "shop.example")]);
  assert.equal(safeUrl("jo@shop.example"), "mailto:jo@shop.example");
  assert.equal(safeUrl("tel:+34123"), "tel:+34123");
  assert.equal(safeUrl("shop.example:8080/x"), "https://shop.example:8080/x");
  assert.equal(safeUrl("java\nscript:alert(1)"), null);
  assert.equal(safeUrl("JavaScript:alert(1).x"), null);
});

test("plain addresses become links", () => {
  assert.deepEqual(runs("see https://a.example/b."), [
    "see ",
    link("https://a.example/b", "https://a.example/b"),
    ".",
  ]);
  assert.deepEqual(runs("(http://a.example/x)"), ["(", link("http://a.example/x", "http://a.example/x"), ")"]);
  const wiki = "https://a.example/Cup_(tea)";
  assert.deepEqual(runs(wiki), [link(wiki, wiki)]);
});

test("an address in code or in a link is left alone", () => {
  const text = "https://a.example";
  assert.deepEqual(runs(text, [span("code", 0, text.length)]), [node("code", text)]);
  assert.deepEqual(runs(text, [span("link", 0, text.length, "https://b.example/")]), [
    link("https://b.example/", text),
  ]);
});

test("an address ends where a reader would be misled", () => {
  const [first] = runs("https://a.example/\u202egnp.exe");
  assert.equal(first.url, "https://a.example/");
});

test("nothing of the text is lost, whatever the entities", () => {
  const random = dice(3);
  const types = ["bold", "italic", "underline", "strike", "code", "spoiler", "link", "pre", "quote"];
  const text = "One 😀 two, שלום https://a.example/x (three) 👩‍👩‍👧 four five six";
  for (let round = 0; round < 500; round++) {
    const entities = Array.from({ length: 6 }, () =>
      span(
        types[Math.floor(random() * types.length)],
        Math.floor(random() * 60) - 3,
        Math.floor(random() * 30),
        "https://b.example/",
      ),
    );
    assert.equal(runs(text, entities).map(flat).join(""), text);
  }
});

test("a few emoji are large", () => {
  for (const text of ["👍", "❤️", "👩‍👩‍👧‍👦 🎉", "🇪🇸", "👍🏽👍🏽👍🏽"]) assert.ok(isJumbo(text), text);
  for (const text of ["", "1", "ok 👍", "👍👍👍👍", "©x"]) assert.ok(!isJumbo(text), text);
});
