/** Making elements. Text only ever becomes text nodes. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string|number|boolean|undefined>} attributes undefined and false are left out
 * @param {...(Node|string)} children
 */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute, or takes it away. */
export function set(element, name, value) {
  if (value === undefined || value === null || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

const ICONS = {
  chat: "M12 3.5c-5 0-9 3.4-9 7.7 0 2.5 1.4 4.7 3.5 6.1-.1 1.1-.6 2.2-1.5 3.2 1.8-.2 3.3-.8 4.6-1.8.8.1 1.6.2 2.4.2 5 0 9-3.4 9-7.7s-4-7.7-9-7.7Z",
  down: "m6 9.5 6 6 6-6",
  close: "m6.5 6.5 11 11m0-11-11 11",
  send: "M4.5 12 4 5.2c0-.7.7-1.1 1.3-.9l14 6.9c.7.3.7 1.3 0 1.6l-14 6.9c-.6.2-1.3-.2-1.3-.9L4.5 12Zm0 0H11",
  sending: "M12 7.5V12l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
  sent: "m5 12.5 4.5 4.5L19 7.5",
  delivered: "m2 12.5 4.5 4.5L16 7.5m-5 8.5 1 1 9.5-9.5",
  failed: "M12 7.5v5.5m0 3.2v.1m9-4.3a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}
