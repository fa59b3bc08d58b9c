/**
 * Text with entities becomes a tree of runs: strings, and `{type, url?, children}` for what is
 * formatted. Entities may nest and overlap; where they overlap they are cut, never lost. Pure.
 */

/** From the outside in: blocks hold links, links hold letters. */
const DEPTH = ["quote", "pre", "spoiler", "link", "bold", "italic", "underline", "strike", "code"];
const BLOCKS = new Set(["quote", "pre"]);
const LITERAL = new Set(["code", "pre", "link"]);
const SCHEMES = new Set(["http:", "https:", "mailto:", "tel:"]);

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/giu;
const DOMAIN = /^[\p{L}\p{N}-]+(\.[\p{L}\p{N}-]+)+([:/?#]|$)/u;
const TRAILING = /[.,;:!?…»”’*_~]$/u;

/**
 * @param {string} text
 * @param {Array<{type: string, offset: number, length: number, url?: string}>} entities in UTF-16 units
 * @returns {Array<string|{type: string, url?: string, children: Array}>}
 */
export function runs(text, entities = []) {
  const spans = spansOf(text, entities ?? []);
  return trimBlocks(nest(text, withAddresses(text, spans)));
}

/**
 * An address that is safe to open, or null.
 * @param {string} url as it came
 */
export function safeUrl(url) {
  const address = complete(String(url ?? "").trim());
  try {
    const parsed = new URL(address);
    return SCHEMES.has(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

/** One to three emoji and nothing else: shown large. */
export const isJumbo = (text) => JUMBO.test(text.trim());

const JUMBO =
  /^(?:(?:\p{Extended_Pictographic}(?:\ufe0f|\u200d\p{Extended_Pictographic}|\p{Emoji_Modifier})*|\p{Regional_Indicator}{2})\s?){1,3}$/u;

/** Telegram also marks "shop.example/cups" and "jo@shop.example" as links. */
function complete(address) {
  if (/^(https?|mailto|tel):/i.test(address)) return address;
  if (/^[^\s@/:]+@[^\s@/:]+$/.test(address)) return `mailto:${address}`;
  return DOMAIN.test(address) ? `https://${address}` : address;
}

function spansOf(text, entities) {
  const spans = [];
  for (const { type, offset, length, url } of entities) {
    if (!DEPTH.includes(type) || !Number.isInteger(offset) || !Number.isInteger(length)) continue;
    const start = whole(text, Math.max(0, offset));
    const end = whole(text, Math.min(text.length, offset + length));
    if (start >= end) continue;
    if (type !== "link") {
      spans.push({ type, start, end });
      continue;
    }
    const safe = safeUrl(url ?? text.slice(start, end));
    if (safe) spans.push({ type, start, end, url: safe });
  }
  return spans;
}

/** A cut never goes through a surrogate pair. */
const whole = (text, index) => (/[\udc00-\udfff]/.test(text[index] ?? "") ? index - 1 : index);

function withAddresses(text, spans) {
  const taken = spans.filter(({ type }) => LITERAL.has(type));
  const found = [];
  for (const match of text.matchAll(ADDRESS)) {
    const start = match.index;
    const address = unpunctuated(match[0]);
    const end = start + address.length;
    const free = taken.every((span) => end <= span.start || start >= span.end);
    const url = free && safeUrl(address);
    if (url) found.push({ type: "link", start, end, url });
  }
  return [...spans, ...found];
}

/** "(see https://a.example/b)." names https://a.example/b, but …/wiki/Cup_(tea) keeps its bracket. */
function unpunctuated(address) {
  const unopened = [")", "]", "}"].some(
    (close, index) => address.endsWith(close) && !balanced(address, "([{"[index], close),
  );
  return unopened || TRAILING.test(address) ? unpunctuated(address.slice(0, -1)) : address;
}

const balanced = (text, open, close) => text.split(open).length >= text.split(close).length;

/** Cuts the text where anything begins or ends, then joins neighbours that are inside the same span. */
function nest(text, spans) {
  const cuts = new Set([0, text.length]);
  for (const { start, end } of spans) cuts.add(start).add(end);
  const edges = [...cuts].sort((a, b) => a - b);
  const root = { children: [] };
  for (let index = 0; index + 1 < edges.length; index++) {
    const [start, end] = [edges[index], edges[index + 1]];
    place(root, text.slice(start, end), around(spans, start, end));
  }
  return root.children;
}

function around(spans, start, end) {
  const inside = spans.filter((span) => span.start <= start && span.end >= end);
  const byType = new Map(inside.map((span) => [span.type, span]));
  return [...byType.values()].sort((a, b) => DEPTH.indexOf(a.type) - DEPTH.indexOf(b.type));
}

function place(node, piece, path) {
  for (const { type, url } of path) {
    const last = node.children.at(-1);
    const joins = last?.type === type && last.url === url;
    const child = joins ? last : { type, ...(url && { url }), children: [] };
    if (!joins) node.children.push(child);
    node = child;
  }
  node.children.push(piece);
}

/** A block ends its own line; the line break that follows it in the text would be a second one. */
function trimBlocks(children) {
  return children.flatMap((child, index) => {
    const afterBlock = BLOCKS.has(children[index - 1]?.type);
    if (typeof child !== "string" || !afterBlock) return [child];
    const rest = child.replace(/^\n/, "");
    return rest ? [rest] : [];
  });
}
