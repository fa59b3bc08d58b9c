// Parts of the panels that are made once and brought up to date, so that what somebody is using stays.

import { h } from "./dom.js";

export function button(label, act, extra = "") {
  return h(`button.text-button${extra}`, { type: "button", onclick: act }, label);
}

/** A switch; `act(on)` answers whether it was done, and what was not done is put back. */
export function toggle(label, act) {
  const input = h("input.switch", { type: "checkbox", role: "switch", "aria-label": label });
  let shown = false;
  input.addEventListener("change", async () => {
    if (!(await act(input.checked))) input.checked = shown;
  });
  const element = h("label.setting", {}, h("span", {}, label), input);
  const update = (on) => {
    if (on !== shown) input.checked = on;
    shown = on;
  };
  return { element, update };
}

/** A choice of `[value, label]`; as with a switch, what was refused is put back. */
export function choice(label, options, act) {
  const select = h("select", {}, options.map(([value, text]) => h("option", { value }, text)));
  let shown = select.value;
  select.addEventListener("change", async () => {
    if (!(await act(select.value))) select.value = shown;
  });
  const element = h("label.setting", {}, h("span", {}, label), select);
  const update = (value) => {
    if (value !== shown) select.value = value;
    shown = value;
  };
  const name = (accessible) => select.setAttribute("aria-label", accessible);
  return { element, update, name };
}

/** A line that tells something. */
export function fact(label, extra = "") {
  const value = h("b");
  const element = h(`div.setting.fact${extra}`, {}, h("span", {}, label), value);
  const update = (text) => {
    element.hidden = !text;
    if (value.textContent === text) return;
    value.textContent = text;
    value.title = text;
  };
  return { element, update };
}
