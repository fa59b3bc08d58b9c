// One message as people see it: a bubble, or a pill for what happened to the topic.

import { h, icon } from "./dom.js";
import { avatar } from "./figures.js";
import { album, isFramed, media } from "./media.js";
import { onMenu } from "./press.js";
import { formatted } from "./text.js";
import { colour, dayName, isJumbo, serviceText, summary, time } from "./words.js";

export function dayPill(seconds) {
  return h("div.pill.day", {}, h("span", {}, dayName(seconds)));
}

/** What happened to the topic; what was pinned is one click away. */
export function servicePill(message, look, acts) {
  const text = serviceText(message, look.name);
  const pinned = message.pinned_message?.message_id;
  const words = pinned ? h("button", { type: "button", onclick: () => acts.jump(pinned) }, text) : h("span", { dir: "auto" }, text);
  const pill = h("div.pill.service", { "data-message": message.message_id, tabIndex: -1 }, words);
  onMenu(pill, (_, at) => acts.menu(at, message));
  return pill;
}

/** A message, or those of one album. `look` says how it stands among its neighbours:
 *  `{ as, own, first, last, name, rank, nameOf }`. */
export function bubble(messages, look, acts) {
  const [message] = messages;
  const captioned = messages.find((each) => each.caption) ?? message;
  const reacted = messages.find((each) => each.reactions) ?? message;
  const isAlbum = messages.length > 1;
  const framed = isAlbum || isFramed(message) ? ".framed" : "";
  const row = h(
    `div.row${look.own ? ".own" : ""}${look.first ? ".first" : ""}${look.last ? ".last" : ""}`,
    { "data-message": message.message_id, tabIndex: -1 },
    look.own ? null : h("span.avatar-place", {}, look.last ? avatar(message.from, look.name) : null),
    h(
      `div.bubble${message.sticker ? ".bare" : ""}${framed}`,
      {},
      !look.own && look.first ? author(message, look) : null,
      quote(message, look, acts),
      isAlbum ? album(messages) : media(message),
      words(captioned),
      reactions(reacted, look, acts),
      stamp(captioned.edit_date ? captioned : message),
      keyboard(message, acts),
    ),
    quick(message, acts),
  );
  onMenu(row, (target, at) => acts.menu(at, messageAt(messages, target)));
  row.addEventListener("dblclick", (event) => {
    if (!event.target.closest("a, button")) acts.reply(message);
  });
  return row;
}

/** Which of an album's messages is meant. */
function messageAt(messages, target) {
  const frames = [...(target.closest(".album")?.children ?? [])];
  return messages[frames.findIndex((frame) => frame.contains(target))] ?? messages[0];
}

/** By the keyboard these are reached from the message itself: a tab stop each would bar the way. */
function quick(message, acts) {
  const button = (name, label, look, onclick) => h(`button${look}`, { type: "button", title: label, "aria-label": label, tabIndex: -1, onclick }, icon(name));
  return h(
    "div.quick",
    {},
    button("reply", "Reply", "", () => acts.reply(message)),
    button("more", "More", ".ask", (event) => acts.menu(event.currentTarget, message)),
  );
}

function author(message, look) {
  return h(
    "div.author",
    {},
    h(`span.name.c${colour(message.from.id)}`, { dir: "auto" }, look.name),
    look.rank || message.from.is_bot ? h("span.rank", {}, message.from.is_bot && !message.sender_chat ? "bot" : look.rank) : null,
  );
}

/** The answered message; the root that every topic message points at is no answer. */
function quote(message, look, acts) {
  const answered = message.reply_to_message;
  if (!answered || answered.forum_topic_created) return null;
  return h(
    `button.quote.c${colour(answered.from.id)}`,
    { type: "button", title: "Show the message", onclick: () => acts.jump(answered.message_id) },
    h("span.name", { dir: "auto" }, look.nameOf(answered.from)),
    h("span.quoted", { dir: "auto" }, serviceText(answered, "") ?? summary(answered)),
  );
}

function words(message) {
  const text = message.text ?? message.caption;
  if (!text) return null;
  return h(`div.text${isJumbo(text) ? ".jumbo" : ""}`, { dir: "auto" }, ...formatted(text, message.entities ?? message.caption_entities));
}

function stamp(message) {
  const sent = new Date(message.date * 1000);
  return h("span.stamp", { title: sent.toLocaleString() }, message.edit_date ? "edited " : "", h("time", { dateTime: sent.toISOString() }, time(message.date)));
}

function reactions(message, look, acts) {
  if (!message.reactions?.length) return null;
  const emoji = [...new Set(message.reactions.map((each) => each.emoji))];
  const button = (each) => {
    const by = message.reactions.filter(({ emoji }) => emoji === each);
    const isOwn = by.some(({ user }) => user === look.as);
    return h(
      `button.reaction${isOwn ? ".chosen" : ""}`,
      { type: "button", "aria-pressed": String(isOwn), "aria-label": `${each} ${by.length}`, onclick: () => acts.react(message, each) },
      each,
      h("b", {}, String(by.length)),
    );
  };
  return h("div.reactions", {}, emoji.map(button));
}

/** A bot's inline keyboard. */
function keyboard(message, acts) {
  const rows = message.reply_markup?.inline_keyboard;
  if (!rows) return null;
  const key = (button) => h("button.key", { type: "button", onclick: () => acts.press(message, button) }, button.text);
  return h("div.keyboard", {}, rows.map((row) => h("div.key-row", {}, row.map(key))));
}
