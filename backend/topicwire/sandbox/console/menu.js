// Menus, dialogs and short notices that float above the page.

import { h, icon } from "./dom.js";

const NOTICE_MILLISECONDS = 5000;
let opened = null;

/** A menu at a point or beside an element. Items: `{ label, icon, act, danger, checked, picture, hint, badge }`,
 *  or "-"; nothing stands for an item that is left out. */
export function menu(at, items, { header } = {}) {
  closeMenu();
  const before = document.activeElement;
  const box = h("div.menu", { role: "menu", tabIndex: -1 }, header, items.filter(Boolean).map(entry));
  document.body.append(box);
  position(box, at);
  opened = { box, before };
  box.addEventListener("keydown", onKey);
  box.addEventListener("contextmenu", (event) => event.preventDefault());
  (box.querySelector(".menu-item") ?? box).focus({ preventScroll: true });
}

export function closeMenu() {
  if (!opened) return;
  const { box, before } = opened;
  opened = null;
  const hadFocus = box.contains(document.activeElement);
  box.remove();
  if (hadFocus && before?.isConnected) before.focus({ preventScroll: true });
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
    h("span.menu-label", {}, h("span", { dir: "auto" }, item.label), item.hint ? h("small", {}, item.hint) : null),
    item.badge ? h("span.badge", { "aria-label": `${item.badge} unread` }, item.badge) : null,
    item.checked ? icon("check") : null,
  );
}

/** Up and down over everything, left and right within a line of buttons. */
function onKey(event) {
  const items = [...opened.box.querySelectorAll("[role^=menuitem]")];
  const index = items.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) items.at((index + step + items.length) % items.length)?.focus();
  else if (event.key === "Home") items[0]?.focus();
  else if (event.key === "End") items.at(-1)?.focus();
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
export function ask({ title, text, value, label, placeholder, action, danger, extra }) {
  return new Promise((resolve) => {
    const input =
      value === undefined
        ? null
        : h("input", { type: "text", dir: "auto", value, maxLength: 128, placeholder: placeholder ?? "", "aria-label": label ?? title });
    const finish = (answer) => {
      dialog.close();
      resolve(answer);
    };
    const submit = (event) => {
      event.preventDefault();
      if (!input) finish(true);
      else if (input.value.trim()) finish(input.value.trim());
    };
    const form = h(
      "form",
      { onsubmit: submit },
      h("h2", {}, title),
      text ? h("p", {}, text) : null,
      input,
      extra,
      h(
        "div.dialog-buttons",
        {},
        h("button.text-button", { type: "button", onclick: () => finish(null) }, "Cancel"),
        h(`button.text-button.strong${danger ? ".danger" : ""}`, { type: "submit" }, action),
      ),
    );
    const dialog = show(form, { label: title, onclose: () => resolve(null) });
    if (input) input.select();
    else form.querySelector("[type=submit]").focus();
  });
}

/** A dialog with the given content; removed once it is closed. */
export function show(content, { label, look = "", onclose = () => {} } = {}) {
  const done = () => {
    dialog.remove();
    onclose();
  };
  const dialog = h(`dialog.dialog${look}`, { "aria-label": label, onclose: done }, content);
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

let noticeTimer = 0;

export function notice(text, { bad = false } = {}) {
  document.querySelector(".notice")?.remove();
  clearTimeout(noticeTimer);
  const box = h(`div.notice${bad ? ".bad" : ""}`, { role: bad ? "alert" : "status" }, text);
  document.body.append(box);
  noticeTimer = setTimeout(() => box.remove(), NOTICE_MILLISECONDS);
}
