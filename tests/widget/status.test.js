import assert from "node:assert/strict";
import { test } from "node:test";
import { statusLine } from "../../widget/status.js";
import { LANGUAGES, Strings } from "../../widget/strings.js";

const strings = new Strings(["en"]);
const fine = { lostFor: 0, state: "open", delay: 0 };
const line = (now) => statusLine({ ...fine, ...now }, strings)?.text ?? null;

test("nothing to say when all is well", () => {
  assert.equal(line({}), null);
  assert.equal(line({ delay: 4, lostFor: 1999 }), null);
});

test("an honest word when the relay is behind", () => {
  assert.equal(line({ delay: 12 }), "Our chat is a little behind: about 12 s");
  assert.equal(line({ delay: 200 }), "Our chat is a little behind: about 3 min");
});

test("a closed conversation can be reopened by writing", () => {
  assert.match(line({ state: "closed", delay: 60 }), /Write to reopen it/);
});

test("a visitor who is asked to wait is told so calmly", () => {
  assert.match(line({ isHeld: true, state: "closed", delay: 60 }), /will be sent shortly/);
  assert.match(line({ isHeld: true, lostFor: 2000 }), /Reconnecting/);
});

test("a lost connection goes first", () => {
  assert.equal(line({ state: "closed", lostFor: 2000 }), "Reconnecting… your messages are kept");
});

test("every language says everything, with the same blanks", () => {
  const blanks = (text) => JSON.stringify(text).match(/\{\w+\}/g)?.sort() ?? [];
  for (const [language, words] of Object.entries(LANGUAGES)) {
    assert.deepEqual(Object.keys(words), Object.keys(LANGUAGES.en), language);
    for (const name of Object.keys(words)) {
      assert.deepEqual(new Set(blanks(words[name])), new Set(blanks(LANGUAGES.en[name])), `${language} ${name}`);
    }
  }
});

test("the first language that is spoken is spoken", () => {
  const spoken = (...wanted) => new Strings(wanted).language;
  assert.equal(spoken("de-AT", "en"), "de");
  assert.equal(spoken("xx", "fr-FR"), "fr");
  assert.equal(spoken("ja", "constructor"), "en");
  assert.equal(spoken(), "en");
  assert.equal(new Strings(["de_DE"]).language, "en");
});

test("days are named as people name them", () => {
  const today = new Date(2026, 2, 10, 1);
  assert.equal(strings.day("2026-03-10", today), "Today");
  assert.equal(strings.day("2026-03-09", today), "Yesterday");
  assert.match(strings.day("2026-03-02", today), /Monday/);
  assert.equal(new Strings(["fr"]).day("2026-03-09", today), "Hier");
});

test("counts agree with their nouns", () => {
  assert.equal(strings.count("unread", 1), "1 unread message");
  assert.equal(strings.count("unread", 3), "3 unread messages");
});
