import assert from "node:assert/strict";
import { test } from "node:test";
import { rowsOf } from "../../widget/rows.js";

const at = (minute, day = 1) => new Date(2026, 2, day, 12, minute).toISOString();
const item = (key, from, when, more = {}) => ({ key, from, at: when, ...more });
const shape = (rows) => rows.map(({ day, first, last }) => day ?? `${first ? "<" : "-"}${last ? ">" : "-"}`);

test("neighbours of one person form a run", () => {
  const rows = rowsOf([item("a", "operator", at(0)), item("b", "operator", at(1)), item("c", "operator", at(2))]);
  assert.deepEqual(shape(rows), ["2026-03-01", "<-", "--", "->"]);
});

test("another person, a pause, a system message and a day end a run", () => {
  assert.deepEqual(shape(rowsOf([item("a", "operator", at(0)), item("b", "visitor", at(0))])).slice(1), ["<>", "<>"]);
  assert.deepEqual(shape(rowsOf([item("a", "visitor", at(0)), item("b", "visitor", at(6))])).slice(1), ["<>", "<>"]);
  assert.deepEqual(shape(rowsOf([item("a", "system", at(0)), item("b", "system", at(0))])).slice(1), ["<>", "<>"]);
  const authors = [item("a", "operator", at(0), { author: "A" }), item("b", "operator", at(0), { author: "B" })];
  assert.deepEqual(shape(rowsOf(authors)).slice(1), ["<>", "<>"]);
  const days = [item("a", "visitor", at(0, 1)), item("b", "visitor", at(0, 2))];
  assert.deepEqual(shape(rowsOf(days)), ["2026-03-01", "<>", "2026-03-02", "<>"]);
});

test("within a run the time stands where the state changes", () => {
  const rows = rowsOf([
    item("a", "visitor", at(0), { state: "delivered" }),
    item("b", "visitor", at(0), { state: "delivered" }),
    item("c", "visitor", at(0), { state: "sending" }),
  ]);
  assert.deepEqual(rows.slice(1).map(({ meta }) => meta), [false, true, true]);
});

test("nothing is nothing", () => assert.deepEqual(rowsOf([]), []));
