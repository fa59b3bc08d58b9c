// A message's text with its entities, as elements.

import { h } from "./dom.js";

const TAGS = {
  bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre",
  blockquote: "blockquote", expandable_blockquote: "blockquote",
};
const BLOCKS = new Set(["pre", "blockquote", "expandable_blockquote"]);
const COLOURED = new Set(["mention", "hashtag", "cashtag", "bot_command", "text_mention"]);

/** Elements and strings for a text; entities may nest but not cross. */
export function formatted(text, entities = []) {
  const sorted = [...entities].sort((one, other) => one.offset - other.offset || other.length - one.length);
  return range(text, sorted, 0, text.length);
}

function range(text, entities, start, end) {
  const parts = [];
  let at = start;
  while (entities.length && entities[0].offset < end) {
    const entity = entities.shift();
    if (entity.offset < at) continue;
    const stop = Math.min(entity.offset + entity.length, end);
    if (entity.offset > at) parts.push(text.slice(at, entity.offset));
    const nested = [];
    while (entities.length && entities[0].offset < stop) nested.push(entities.shift());
    parts.push(wrap(entity, text.slice(entity.offset, stop), range(text, nested, entity.offset, stop)));
    at = stop;
    if (BLOCKS.has(entity.type) && text[at] === "\n") at += 1; // a block ends its line by itself
  }
  if (at < end) parts.push(text.slice(at, end));
  return parts;
}

function wrap(entity, text, children) {
  if (TAGS[entity.type]) return h(TAGS[entity.type], {}, ...children);
  if (COLOURED.has(entity.type)) return h(`span.link.${entity.type}`, {}, ...children);
  if (entity.type === "spoiler") return spoiler(children);
  if (entity.type === "email") return link(`mailto:${text}`, children);
  if (entity.type === "url") return link(/^[a-z][a-z0-9+-]*:/i.test(text) ? text : `https://${text}`, children);
  if (entity.type === "text_link") return link(entity.url, children);
  return h("span", {}, ...children);
}

function spoiler(children) {
  const hidden = h("span.spoiler", { title: "Show" }, ...children);
  hidden.addEventListener("click", () => hidden.classList.add("shown"));
  return hidden;
}

/** Only addresses that open something; whatever else somebody wrote stays plain. */
function link(address, children) {
  const isSafe = /^(https?|mailto|tg):/i.test(address);
  return isSafe
    ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children)
    : h("span.link", {}, ...children);
}
