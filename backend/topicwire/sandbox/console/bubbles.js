// One message as people see it: a bubble, or a pill for what happened to the topic.

import { fileAddress } from "./api.js";
import { h, icon } from "./dom.js";
import { avatar } from "./figures.js";
import { formatted } from "./text.js";
import { colour, dayName, fileSize, serviceText, summary, time } from "./words.js";

export function dayPill(seconds) {
  return h("div.pill.day", {}, h("span", {}, dayName(seconds)));
}

/** `look` says how it stands among its neighbours: `{ own, first, last, name, rank, nameOf }`. */
export function bubble(message, look, acts) {
  const service = serviceText(message, look.name);
  if (service) return h("div.pill.service", { "data-message": message.message_id }, h("span", {}, service));
  const row = h(
    `div.row${look.own ? ".own" : ""}${look.first ? ".first" : ""}${look.last ? ".last" : ""}`,
    { "data-message": message.message_id },
    look.own ? null : h("span.avatar-place", {}, look.last ? avatar(message.from, look.name) : null),
    h(
      `div.bubble${message.sticker ? ".bare" : ""}${message.photo || message.video || message.animation || message.location ? ".framed" : ""}`,
      {},
      !look.own && look.first ? author(message, look) : null,
      quote(message, look, acts),
      media(message),
      words(message),
      reactions(message, acts),
      stamp(message),
      keyboard(message, acts),
    ),
    h(
      "div.quick",
      {},
      h("button", { type: "button", title: "Reply", "aria-label": "Reply", onclick: () => acts.reply(message) }, icon("reply")),
      h("button", { type: "button", title: "More", "aria-label": "More", onclick: (event) => acts.menu(event.currentTarget, message) }, icon("more")),
    ),
  );
  row.addEventListener("contextmenu", (event) => {
    if (event.target.closest("a")) return;
    event.preventDefault();
    acts.menu({ x: event.clientX, y: event.clientY }, message);
  });
  row.addEventListener("dblclick", (event) => {
    if (!event.target.closest("a, button")) acts.reply(message);
  });
  return row;
}

function author(message, look) {
  return h("div.author", {}, h(`span.name.c${colour(message.from.id)}`, {}, look.name), look.rank ? h("span.rank", {}, look.rank) : null);
}

/** The answered message; the root that every topic message points at is no answer. */
function quote(message, look, acts) {
  const answered = message.reply_to_message;
  if (!answered || answered.forum_topic_created) return null;
  return h(
    `button.quote.c${colour(answered.from.id)}`,
    { type: "button", onclick: () => acts.jump(answered.message_id) },
    h("span.name", {}, look.nameOf(answered.from)),
    h("span.quoted", {}, serviceText(answered, "") ?? summary(answered)),
  );
}

function words(message) {
  const text = message.text ?? message.caption;
  if (!text) return null;
  const jumbo = /^(\p{Extended_Pictographic}\uFE0F?){1,3}$/u.test(text) ? ".jumbo" : "";
  return h(`div.text${jumbo}`, { dir: "auto" }, ...formatted(text, message.entities ?? message.caption_entities));
}

function stamp(message) {
  return h("span.stamp", {}, message.edit_date ? "edited " : "", h("time", { dateTime: new Date(message.date * 1000).toISOString() }, time(message.date)));
}

function reactions(message, acts) {
  if (!message.reactions?.length) return null;
  const counted = new Map();
  for (const { emoji } of message.reactions) counted.set(emoji, (counted.get(emoji) ?? 0) + 1);
  return h(
    "div.reactions",
    {},
    [...counted].map(([emoji, n]) => h("button.reaction", { type: "button", onclick: () => acts.react(message, emoji) }, emoji, h("b", {}, String(n)))),
  );
}

/** A bot's inline keyboard. */
function keyboard(message, acts) {
  const rows = message.reply_markup?.inline_keyboard;
  if (!rows) return null;
  const key = (button) => h("button.key", { type: "button", onclick: () => acts.press(message, button) }, button.text);
  return h("div.keyboard", {}, rows.map((row) => h("div.key-row", {}, row.map(key))));
}

function media(message) {
  if (message.photo) return h("img.photo", { src: fileAddress(message.photo.at(-1)), alt: "Photo", loading: "lazy" });
  if (message.animation) return h("div.photo", { role: "img", "aria-label": "GIF" }, h("b", {}, "GIF"));
  if (message.video_note) return h("div.photo.round", { role: "img", "aria-label": "Video message" }, icon("play"));
  if (message.audio) return file({ ...message.audio, file_name: message.audio.title || message.audio.file_name || "Audio" });
  if (message.video) return h("div.photo", { role: "img", "aria-label": "Video" }, icon("play"));
  if (message.sticker) return h("div.sticker", { role: "img", "aria-label": "Sticker" }, message.sticker.emoji);
  if (message.location) return h("div.map", { role: "img", "aria-label": "Location" }, icon("place"));
  if (message.voice) return voice(message.voice);
  if (message.document) return file(message.document);
  return null;
}

function voice({ duration }) {
  const bars = Array.from({ length: 34 }, (_, index) => {
    const bar = h("i");
    bar.style.height = `${4 + Math.round(Math.abs(Math.sin(index * 1.7) * Math.cos(index * 0.43)) * 16)}px`;
    return bar;
  });
  const length = `${Math.floor(duration / 60)}:${String(duration % 60).padStart(2, "0")}`;
  return h("div.file", { "aria-label": "Voice message" }, h("span.file-disc", {}, icon("play")), h("span.file-words", {}, h("span.wave", {}, bars), h("small", {}, length)));
}

function file(document) {
  return h(
    "a.file",
    { href: fileAddress(document), download: document.file_name || "file" },
    h("span.file-disc", {}, icon("file")),
    h("span.file-words", {}, h("strong", {}, document.file_name), h("small", {}, fileSize(document.file_size))),
  );
}
