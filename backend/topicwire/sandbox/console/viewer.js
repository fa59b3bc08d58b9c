// A photo as large as the screen lets it be.

import { h, iconButton } from "./dom.js";
import { show } from "./menu.js";

export function view(address, caption) {
  const close = () => dialog.close();
  const dialog = show(
    h(
      "figure.viewer",
      {},
      h("img", { src: address, alt: caption || "Photo", onclick: close }),
      caption ? h("figcaption", { dir: "auto" }, caption) : null,
      iconButton("close", "Close", close),
    ),
    { label: "Photo", look: ".viewing" },
  );
}
