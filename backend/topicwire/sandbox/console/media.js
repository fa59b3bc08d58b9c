// What a message shows besides its words: photos, files, places.

import { fileAddress } from "./api.js";
import { h, icon } from "./dom.js";
import { fileSize } from "./words.js";
import { view } from "./viewer.js";

const WIDEST = 320;
const TALLEST = 360;

/** The first that fits; a GIF comes with the document that it is to older apps. */
const KINDS = [
  ["photo", photo],
  ["animation", () => tile("GIF", h("b", {}, "GIF"))],
  ["video_note", () => tile("Video message", icon("play"), ".round")],
  ["audio", (message) => file({ ...message.audio, file_name: message.audio.title || message.audio.file_name || "Audio" })],
  ["video", () => tile("Video", icon("play"))],
  ["sticker", (message) => h("div.sticker", { role: "img", "aria-label": "Sticker" }, message.sticker.emoji)],
  ["location", () => h("div.map", { role: "img", "aria-label": "Location" }, icon("place"))],
  ["voice", (message) => voice(message.voice)],
  ["document", (message) => file(message.document)],
];

const FRAMED = ["photo", "video", "animation", "location"];

/** Whether it fills its bubble to the edge. */
export const isFramed = (message) => FRAMED.some((kind) => message[kind]);

export function media(message) {
  const [, make] = KINDS.find(([kind]) => message[kind]) ?? [];
  return make ? make(message) : null;
}

/** Photos and videos that were sent together. */
export function album(messages) {
  const cells = messages.map((message, index) => h("div.album-cell", { "data-message": index ? message.message_id : null }, media(message)));
  return h(`div.album${messages.length % 2 ? ".odd" : ""}`, {}, cells);
}

function photo(message) {
  const largest = message.photo.at(-1);
  const picture = h("img.photo", { src: fileAddress(largest), alt: message.caption || "Photo", loading: "lazy", decoding: "async" });
  // The room is there before the picture is, so that nothing moves when it comes.
  const scale = Math.min(1, WIDEST / largest.width, TALLEST / largest.height);
  const frame = h("button.photo-frame", { type: "button", title: "Enlarge", onclick: () => view(picture.src, message.caption) }, picture);
  frame.style.setProperty("--width", `${Math.max(Math.round(largest.width * scale), 120)}px`);
  frame.style.setProperty("--ratio", `${largest.width} / ${largest.height}`);
  return frame;
}

function tile(label, content, extra = "") {
  return h(`div.tile${extra}`, { role: "img", "aria-label": label }, content);
}

function voice(sent) {
  const bars = Array.from({ length: 34 }, (_, index) => {
    const bar = h("i");
    bar.style.height = `${4 + Math.round(Math.abs(Math.sin(index * 1.7) * Math.cos(index * 0.43)) * 16)}px`;
    return bar;
  });
  const length = `${Math.floor(sent.duration / 60)}:${String(sent.duration % 60).padStart(2, "0")}`;
  return h(
    "a.file",
    { href: fileAddress(sent), download: "voice.ogg", "aria-label": `Voice message, ${length}` },
    h("span.file-disc", {}, icon("play")),
    h("span.file-words", {}, h("span.wave", {}, bars), h("small", {}, length)),
  );
}

function file(sent) {
  return h(
    "a.file",
    { href: fileAddress(sent), download: sent.file_name || "file" },
    h("span.file-disc", {}, icon("file")),
    h("span.file-words", {}, h("strong", { dir: "auto" }, sent.file_name || "File"), h("small", {}, fileSize(sent.file_size))),
  );
}
