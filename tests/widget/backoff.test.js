import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, jitter } from "../../widget/backoff.js";
import { dice } from "./fakes.js";

const almostOne = () => 1 - Number.EPSILON;

test("the bound doubles from half a second to thirty", () => {
  const bounds = [0, 1, 2, 3, 4, 5, 6, 7, 50].map((attempt) => Math.round(jitter(attempt, almostOne)));
  assert.deepEqual(bounds, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
});

test("jitter is full: from nothing to the bound, evenly", () => {
  const random = dice(7);
  const waits = Array.from({ length: 4000 }, () => jitter(3, random));
  const mean = waits.reduce((sum, wait) => sum + wait) / waits.length;
  assert.ok(Math.min(...waits) < 40 && Math.max(...waits) > 3960);
  assert.ok(Math.abs(mean - 2000) < 80);
});

test("attempts count up until they are forgotten", () => {
  const backoff = new Backoff(almostOne);
  assert.deepEqual([1, 2, 3].map(() => Math.round(backoff.next())), [500, 1000, 2000]);
  backoff.reset();
  assert.equal(Math.round(backoff.next()), 500);
});

test("who is the trouble is never back at once", () => {
  const backoff = new Backoff(() => 0);
  assert.deepEqual([1, 2, 3].map(() => backoff.patient()), [5000, 5000, 5000]);
  assert.ok(new Backoff(almostOne).patient() <= 65_000);
});
