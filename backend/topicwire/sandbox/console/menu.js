// Menus, dialogs and short notices that float above the page.

import { h, icon } from "./dom.js";

let opened = null;

/** A menu at a point or beside an element. Items: `{ label, icon, act, danger, checked, picture }`, or "-". */
export function menu(at, items, { header } = {}) {
  closeMenu();
  const before = document.activeElement;
  const box = h("div.menu", { role: "menu", tabIndex: -1 }, header, items.filter(Boolean).map(entry));
  document.body.append(box);
  position(box, at);
  opened = { box, before };
  box.addEventListener("keydown", onKey);
  (box.querySelector("[role^=menuitem]") ?? box).focus({ preventScroll: true });
}

export function closeMenu() {
  if (!opened) return;
  const { box, before } = opened;
  opened = null;
  const hadFocus = box.contains(document.activeElement);
  box.remove();
  if (hadFocus) before?.focus?.({ preventScroll: true });
}

export const isMenuOpen = () => opened !== null;

addEventListener("pointerdown", (event) => {
  if (opened && !opened.box.contains(event.target)) closeMenu();
}, true);
addEventListener("resize", closeMenu);
addEventListener("blur", closeMenu);

function entry(item) {
  if (item === "-") return h("hr");
  const role = item.checked === undefined ? "menuitem" : "menuitemradio";
  const choose = () => {
    closeMenu();
    item.act();
  };
  return h(
    `button.menu-item${item.danger ? ".danger" : ""}`,
    { type: "button", role, tabIndex: -1, onclick: choose, "aria-checked": item.checked === undefined ? null : String(item.checked) },
    item.picture ?? (item.icon ? icon(item.icon) : null),
    h("span.menu-label", {}, item.label, item.hint ? h("small", {}, item.hint) : null),
    item.checked ? icon("check") : null,
  );
}

function onKey(event) {
  const items = [...opened.box.querySelectorAll("[role^=menuitem]")];
  const index = items.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) items.at((index + step + items.length) % items.length)?.focus();
  else if (event.key === "Escape" || event.key === "Tab") closeMenu();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function position(box, at) {
  const room = 8;
  const { width, height } = box.getBoundingClientRect();
  const anchor = at instanceof Element ? at.getBoundingClientRect() : { left: at.x, right: at.x, top: at.y, bottom: at.y };
  const fitsBelow = anchor.bottom + height + room < innerHeight;
  const top = fitsBelow ? anchor.bottom + 4 : anchor.top - height - 4;
  const alignRight = at instanceof Element && anchor.left + width + room > innerWidth;
  const left = alignRight ? anchor.right - width : anchor.left;
  box.style.top = `${Math.max(room, Math.min(top, innerHeight - height - room))}px`;
  box.style.left = `${Math.max(room, Math.min(left, innerWidth - width - room))}px`;
}

/** Asks for a line of text or for a yes; resolves to the text, true, or null if it was called off. */
export function ask({ title, text, value, label, placeholder, action, danger }) {
  return new Promise((resolve) => {
    const input = value === undefined ? null : h("input", { type: "text", value, maxLength: 128, placeholder: placeholder ?? "", "aria-label": label ?? title });
    const finish = (answer) => {
      dialog.close();
      resolve(answer);
    };
    const form = h(
      "form",
      {
        onsubmit: (event) => {
          event.preventDefault();
          if (!input) finish(true);
          else if (input.value.trim()) finish(input.value.trim());
        },
      },
      h("h2", {}, title),
      text ? h("p", {}, text) : null,
      input,
      h(
        "div.dialog-buttons",
        {},
        h("button.text-button", { type: "button", onclick: () => finish(null) }, "Cancel"),
        h(`button.text-button.strong${danger ? ".danger" : ""}`, { type: "submit" }, action),
      ),
    );
    const dialog = show(form, () => resolve(null));
    input?.select();
  });
}

/** A dialog with the given content; removed once it is closed. */
export function show(content, onclose = () => {}) {
  const dialog = h("dialog.dialog", { onclose: () => { dialog.remove(); onclose(); } }, content);
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

let noticeTimer = 0;

export function notice(text) {
  document.querySelector(".notice")?.remove();
  clearTimeout(noticeTimer);
  const box = h("div.notice", { role: "status" }, text);
  document.body.append(box);
  noticeTimer = setTimeout(() => box.remove(), 4000);
}
