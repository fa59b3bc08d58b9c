// The paper clip: samples of each kind, an album, files of one's own.

import { h } from "./dom.js";
import { menu } from "./menu.js";

const SAMPLES = [
  ["photo", "Photo", "photo", true],
  ["video", "Video", "play", true],
  ["voice", "Voice message", "voice", true],
  ["document", "File", "file", true],
  ["sticker", "Sticker", "sticker", false],
  ["location", "Location", "place", false],
];

export function attachments(at, composer) {
  const items = SAMPLES.map(([kind, label, icon, captioned]) => ({ label, icon, act: () => composer.sendSample(kind, captioned) }));
  const album = { label: "Album of three", icon: "album", act: () => composer.sendAlbum(["photo", "photo", "photo"]) };
  const own = { label: "From this computer…", icon: "clip", act: () => choose((files) => composer.sendFiles(files)) };
  menu(at, [...items, album, "-", own], { header: h("p.menu-header", {}, "Send a sample") });
}

function choose(take) {
  const picker = h("input", { type: "file", multiple: true, onchange: () => take([...picker.files]) });
  picker.click();
}
