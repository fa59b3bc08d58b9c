import assert from "node:assert/strict";
import { test } from "node:test";
import { Store } from "../../widget/storage.js";
import { FakeStorage } from "./fakes.js";

const SERVER = "https://chat.example.com";
const blocked = () => {
  throw new DOMException("The operation is insecure.", "SecurityError");
};
const store = (place = {}) => {
  const local = place.local ?? new FakeStorage();
  const session = place.session ?? new FakeStorage();
  const get = (storage) => (typeof storage === "function" ? storage : () => storage);
  return new Store({ server: SERVER, key: "K", ...place, local: get(local), session: get(session) });
};
const hold = { conversation: "c1", token: "t1" };
const kept = (lastRev, more = {}) => ({ conversation: "c1", last_rev: lastRev, messages: [], ...more });

test("what one page view stores the next one finds", () => {
  const [local, session] = [new FakeStorage(), new FakeStorage()];
  const before = store({ local, session });
  Object.assign(before, { hold, draft: "half a", isOpen: true, config: { name: "Shop" }, marks: { read: 3, told: 2 } });
  before.keep(kept(4));
  const after = store({ local, session });
  assert.deepEqual(after.hold, hold);
  assert.deepEqual(after.kept, kept(4));
  assert.equal(after.draft, "half a");
  assert.equal(after.isOpen, true);
  assert.deepEqual(after.marks, { read: 3, told: 2 });
});

test("projects and servers do not see each other", () => {
  const local = new FakeStorage();
  store({ local }).hold = hold;
  assert.equal(store({ local, key: "L" }).hold, null);
  assert.equal(store({ local, server: "https://other.example" }).hold, null);
});

for (const [name, local] of [["blocked", blocked], ["missing", () => null], ["absent", () => undefined]]) {
  test(`storage that is ${name} lasts as long as the page`, () => {
    const page = store({ local, session: local });
    page.hold = hold;
    page.draft = "x";
    page.keep(kept(1));
    page.putUnsent({ id: "a", text: "x", at: 1 });
    assert.deepEqual(page.hold, hold);
    assert.equal(page.draft, "x");
    assert.deepEqual(page.kept, kept(1));
    assert.equal(page.unsent.length, 1);
    page.clear();
    assert.deepEqual([page.hold, page.kept, page.unsent, page.draft], [null, null, [], ""]);
  });
}

test("storage that is full does not lose what was written", () => {
  const local = new FakeStorage();
  const page = store({ local: { getItem: (key) => local.getItem(key), setItem: blocked, removeItem() {} } });
  page.putUnsent({ id: "a", text: "precious", at: 1 });
  assert.equal(page.unsent[0].text, "precious");
});

test("rubbish in storage is nothing", () => {
  for (const text of ["{", "7", "null", "[]", '"x"', "{}"]) {
    const local = new FakeStorage();
    for (const name of ["hold", "kept", "marks", "config", "unsent a"]) {
      local.setItem(`topicwire ${SERVER} K ${name}`, text);
    }
    const page = store({ local });
    assert.deepEqual([page.hold, page.kept, page.unsent], [null, null, []], text);
    assert.equal(page.marks.read, 0);
  }
});

test("unsent messages come back in the order they were written", () => {
  const page = store();
  for (const at of [5, 3, 9, 1]) page.putUnsent({ id: `id ${at}`, text: "x", at });
  page.dropUnsent("id 3");
  assert.deepEqual(page.unsent.map(({ at }) => at), [1, 5, 9]);
});

test("a tab that is behind does not replace what another kept", () => {
  const page = store();
  page.hold = hold;
  page.keep(kept(9));
  page.keep(kept(8));
  assert.equal(page.kept.last_rev, 9);
  page.keep(kept(10));
  assert.equal(page.kept.last_rev, 10);
});

test("a tab that still lives in an old conversation keeps nothing of it", () => {
  const page = store();
  page.hold = { conversation: "c2", token: "t2" };
  page.keep(kept(9));
  assert.equal(page.kept, null);
});

test("forgetting the conversation leaves what waits to be sent", () => {
  const page = store();
  page.hold = hold;
  page.keep(kept(1));
  page.putUnsent({ id: "a", text: "x", at: 1 });
  page.forget();
  assert.deepEqual([page.hold, page.kept, page.unsent.length], [null, null, 1]);
});

test("what other tabs change is heard by drawer", () => {
  const shared = new FakeStorage();
  const [here, there] = [shared.tab(), shared.tab()];
  const heard = [];
  store({ local: () => here.storage }).watch(here.events, (name) => heard.push(name));
  const other = store({ local: () => there.storage });
  other.hold = hold;
  other.putUnsent({ id: "a", text: "x", at: 1 });
  there.storage.setItem("somebody else's", "1");
  store({ local: () => here.storage }).draft = "mine";
  assert.deepEqual(heard, ["hold", "unsent"]);
});
