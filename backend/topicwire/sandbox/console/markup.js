// The marks that Telegram's desktop app understands while typing, to entities and back. Offsets are UTF-16,
// which is what JavaScript's strings count in.

const MARKS = [
  { type: "pre", open: "```", close: "```", opaque: true },
  { type: "code", open: "`", close: "`", opaque: true },
  { type: "bold", open: "**", close: "**" },
  { type: "italic", open: "__", close: "__" },
  { type: "strikethrough", open: "~~", close: "~~" },
  { type: "spoiler", open: "||", close: "||" },
];
const LINK = /^\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/;

/** `{ text, entities }` of what was typed. */
export function parse(typed) {
  const entities = [];
  const text = read(typed, 0, entities);
  return { text, entities: entities.sort((one, other) => one.offset - other.offset) };
}

function read(typed, base, entities) {
  let text = "";
  for (let at = 0; at < typed.length; ) {
    const found = markAt(typed, at) ?? linkAt(typed, at);
    if (!found) {
      text += typed[at++];
      continue;
    }
    const offset = base + text.length;
    const inner = found.opaque ? found.inner : read(found.inner, offset, entities);
    entities.push({ type: found.type, offset, length: inner.length, ...found.extra });
    text += inner;
    at = found.end;
  }
  return text;
}

function markAt(typed, at) {
  for (const mark of MARKS) {
    if (!typed.startsWith(mark.open, at)) continue;
    const start = at + mark.open.length;
    const end = typed.indexOf(mark.close, start);
    const inner = typed.slice(start, end);
    if (end > start && inner.trim() === inner) return { ...mark, inner, end: end + mark.close.length };
  }
  return null;
}

function linkAt(typed, at) {
  const match = LINK.exec(typed.slice(at));
  return match && { type: "text_link", inner: match[1], end: at + match[0].length, extra: { url: match[2] } };
}

/** What would have to be typed for this text with these entities. */
export function unparse(text, entities = []) {
  const inserts = [];
  for (const entity of entities) {
    const mark = MARKS.find((each) => each.type === entity.type);
    const [open, close] = mark ? [mark.open, mark.close] : entity.type === "text_link" ? ["[", `](${entity.url})`] : [];
    if (!open) continue;
    inserts.push({ at: entity.offset, order: entity.length, mark: open });
    inserts.push({ at: entity.offset + entity.length, order: -entity.length, mark: close });
  }
  inserts.sort((one, other) => other.at - one.at || one.order - other.order);
  for (const { at, mark } of inserts) text = text.slice(0, at) + mark + text.slice(at);
  return text;
}
