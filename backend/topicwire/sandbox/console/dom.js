// Elements made by hand: text only ever goes in as text.

/** `h("div.bubble.own", { title: "x", onclick: f }, "text", child)`. */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(props)) set(element, name, value);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name.startsWith("aria-") || name.startsWith("data-") || name === "role" || name === "for" || name === "list") {
    element.setAttribute(name, value === true ? "" : String(value));
  } else element[name] = value;
}

/** Makes `parent` hold exactly `nodes`, touching only what differs, so that focus and selection survive. */
export function place(parent, nodes) {
  let next = parent.firstChild;
  for (const node of nodes) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

const PATHS = {
  back: "M15 5l-7 7 7 7",
  more: "M12 5.5v.01M12 12v.01M12 18.5v.01",
  plus: "M12 5v14M5 12h14",
  pencil: "M4 20l1-4L16.5 4.5l3 3L8 19zM14 7l3 3",
  clip: "M19.5 11.5l-7.8 7.8a4.8 4.8 0 0 1-6.8-6.8l8.2-8.2a3.2 3.2 0 0 1 4.6 4.6l-8.1 8.1a1.7 1.7 0 0 1-2.4-2.4l7.3-7.3",
  send: "M4.5 12L3.5 4.8 21 12 3.5 19.2zM4.5 12h7",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  reply: "M10 6L4 12l6 6M4.5 12H14a6 6 0 0 1 6 6v1",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.2 10.5v5.5M13.8 10.5v5.5",
  pulse: "M3 12h4l3-7 4 14 3-7h4",
  pin: "M9 4h6l-1 6 3 3H7l3-3zM12 13v7",
  copy: "M9 9h10v11H9zM15 9V4H5v11h4",
  lock: "M6.5 11h11v8.5h-11zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unlock: "M6.5 11h11v8.5h-11zM8.5 11V8a3.5 3.5 0 0 1 6.7-1.4",
  down: "M6 10l6 6 6-6",
  album: "M7 7h13v13H7zM4 17V4h13M7 17l4-4 3.5 3.5L17 14l3 3",
  info: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 11v5M12 8v.01",
  photo: "M4 5h16v14H4zM4 16l5-5 4.5 4.5L16 13l4 4M15.5 9v.01",
  voice: "M12 4a2.5 2.5 0 0 1 2.5 2.5v5a2.5 2.5 0 0 1-5 0v-5A2.5 2.5 0 0 1 12 4zM6.5 11.5a5.5 5.5 0 0 0 11 0M12 17v3.5",
  file: "M7 3.5h6.5L18 8v12.5H7zM13.5 3.5V8H18",
  sticker: "M5 5h14v8.5L13.5 19H5zM13 19v-5.5h6M9 9.5v.01M14 9.5v.01",
  place: "M12 20.5s6.5-6 6.5-10.5a6.5 6.5 0 0 0-13 0c0 4.5 6.5 10.5 6.5 10.5zM12 7.8a2.3 2.3 0 1 1 0 4.6 2.3 2.3 0 0 1 0-4.6",
  search: "M11 4.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM16 16l4.5 4.5",
  play: "M9 6.5l9 5.5-9 5.5z",
  open: "M14 5h5v5M19 5l-8 8M17 14v5H5V7h5",
  incognito: "M4 11.5h16M7 11.5l1.5-6h7l1.5 6M7.5 14a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM16.5 14a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5zM10 16.5h4",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name, label, onclick, extra = "") {
  return h(`button.icon-button${extra}`, { type: "button", title: label, "aria-label": label, onclick }, icon(name));
}
