/**
 * How messages are laid out: which day separators stand between them and which neighbours belong
 * to one run. Pure.
 */

const RUN_GAP = 5 * 60_000;

/**
 * @param {Array<object>} items of `Conversation.items()`
 * @returns {Array<{key: string, day: string}|{key: string, item: object, first: boolean, last: boolean, meta: boolean}>}
 */
export function rowsOf(items) {
  const rows = [];
  items.forEach((item, index) => {
    const [before, after] = [items[index - 1], items[index + 1]];
    const day = dayOf(item.at);
    if (!before || dayOf(before.at) !== day) rows.push({ key: `day of ${item.key}`, day });
    const last = !after || !sameRun(item, after);
    rows.push({
      key: item.key,
      item,
      first: !before || !sameRun(before, item),
      last,
      meta: last || after.state !== item.state || Boolean(item.edited),
    });
  });
  return rows;
}

/** @returns {string} the local day of a moment: "2026-03-01" */
export function dayOf(at) {
  const date = new Date(at);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function sameRun(one, other) {
  return (
    one.from === other.from &&
    one.from !== "system" &&
    (one.author ?? "") === (other.author ?? "") &&
    dayOf(one.at) === dayOf(other.at) &&
    Math.abs(Date.parse(other.at) - Date.parse(one.at)) < RUN_GAP
  );
}
