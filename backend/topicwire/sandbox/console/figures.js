// Round pictures: people, the group, topics.

import { h, icon } from "./dom.js";
import { colour } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
// Telegram draws a topic without an emoji as a coloured bubble with its first letter.
const BUBBLE =
  "M16 3C8.5 3 3 8 3 14.5c0 3.6 1.7 6.7 4.5 8.8-.2 1.7-1 3.3-2.3 4.5-.4.4-.1 1.1.5 1 2.5-.2 4.8-1.1 6.6-2.6 1.2.3 2.4.4 3.7.4 7.5 0 13-5.2 13-12S23.5 3 16 3z";

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** What people see as one character: an emoji of several parts is one. */
export function firstCharacter(text) {
  const [first] = GRAPHEMES.segment(text.trim());
  return first ? first.segment.toUpperCase() : "?";
}

function initials(name) {
  const words = name.trim().split(/\s+/);
  return firstCharacter(words[0]) + (words.length > 1 ? firstCharacter(words.at(-1)) : "");
}

export function avatar(person, name, extra = "") {
  return h(`span.avatar.a${colour(person.id)}${extra}`, { "aria-hidden": "true" }, initials(name));
}

/** What stands for somebody who does not want to be known. */
export const mask = () => h("span.avatar.masked", { "aria-hidden": "true" }, icon("incognito"));

export function topicIcon(topic, extra = "") {
  if (topic.id === 1) return h(`span.topic-icon.general${extra}`, { "aria-hidden": "true" }, "#");
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 32 32");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", BUBBLE);
  svg.append(path);
  const letter = firstCharacter(topic.name.match(/[\p{L}\p{N}]/u)?.[0] ?? topic.name);
  return h(`span.topic-icon.t${topic.icon_color}${extra}`, { "aria-hidden": "true" }, svg, h("b", {}, letter));
}
