/**
 * The frames of `topicwire.v1`: what may be sent, what is understood, what a close code asks for.
 * Pure; the tables are the document.
 */

export const SUBPROTOCOL = "topicwire.v1";

/** Lengths are UTF-16 units, which is what `String.length` counts. */
export const LIMITS = Object.freeze({ text: 4000, history: 100, url: 2048, title: 256, name: 128 });

/** What to do when the server closes with a code; anything else is a passing fault: "again". */
const CLOSES = Object.freeze({
  4400: "patient",
  4401: "token",
  4403: "stop",
  4404: "stop",
  4408: "patient",
  4413: "patient",
  4429: "patient",
});

/**
 * @param {number} code of a WebSocket's close event
 * @returns {"again"|"patient"|"token"|"stop"}
 */
export const afterClose = (code) => CLOSES[code] ?? "again";

const string = (value) => typeof value === "string" && isWellFormed(value);
const count = (value) => Number.isSafeInteger(value) && value >= 0;
const flag = (value) => typeof value === "boolean";
const list = Array.isArray;
const uuid = (value) => string(value) && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value);
const email = (value) => string(value) && /^[^\s@]+@[^\s@]+$/.test(value);
const record = (value) => typeof value === "object" && value !== null && !list(value);
const oneOf = (...values) => (value) => values.includes(value);
const optional = (check) => (value) => value === undefined || value === null || check(value);
const shape = (fields) => (value) =>
  record(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

const page = { url: string, title: optional(string), referrer: optional(string) };
const person = { email: optional(email), name: optional(string) };

const CLIENT = {
  hello: shape({
    token: optional(string),
    last_rev: optional(count),
    page: optional(shape(page)),
    visitor: optional(shape({ ...person, locale: optional(string), timezone: optional(string) })),
    identity: optional(string),
  }),
  message: shape({ id: uuid, text: string, attachments: optional(list) }),
  read: shape({ seq: count }),
  typing: record,
  identify: shape({ ...person, identity: optional(string) }),
  page: shape(page),
  history: shape({ before: count, limit: (value) => count(value) && value <= LIMITS.history }),
  reset: record,
  ping: record,
};

const change = { seq: count, rev: count };
const state = oneOf("open", "closed");
const message = shape({
  ...change,
  id: optional(string),
  from: oneOf("visitor", "operator", "system"),
  text: optional(string),
  at: string,
});

const SERVER = {
  welcome: shape({ conversation: string, token: string, rev: count, recovered: optional(flag), state }),
  ack: shape({ ...change, id: string, at: string }),
  message,
  relayed: shape(change),
  failed: shape(change),
  edited: shape(change),
  deleted: shape(change),
  history: shape({ messages: (value) => list(value) && value.every(message), more: flag }),
  status: shape({ state }),
  error: shape({ code: string, message: optional(string), retry_after: optional(Number.isFinite) }),
  pong: record,
};

/**
 * What the server would make of a frame.
 * @returns {"ok"|"bad_frame"|"unknown_type"|"empty"|"too_long"}
 */
export function verdict(frame) {
  if (!record(frame) || typeof frame.type !== "string") return "bad_frame";
  if (!Object.hasOwn(CLIENT, frame.type)) return "unknown_type";
  if (!CLIENT[frame.type](frame)) return "bad_frame";
  return frame.type === "message" ? textVerdict(frame.text) : "ok";
}

/** @returns {"ok"|"empty"|"too_long"} for the text of a message */
export function textVerdict(text) {
  if (isBlank(text)) return "empty";
  return text.length > LIMITS.text ? "too_long" : "ok";
}

/** True when nobody would see anything: white space, control and format characters, Telegram's blanks. */
export const isBlank = (text) => !/[^\s\p{Cc}\p{Cf}\u2800\ufffc\u{e0000}-\u{e007f}]/u.test(text);

/** Text as it may travel: outer space off, no NUL, halves of surrogate pairs replaced. */
export const clean = (text) =>
  String(text).replace(/\0/g, "").replace(/\p{Surrogate}/gu, "\ufffd").trim();

/**
 * @param {object} frame
 * @returns {string} the frame as it goes over the wire
 * @throws {TypeError} for a frame that the server would refuse
 */
export function encode(frame) {
  const opinion = verdict(frame);
  if (opinion !== "ok") throw new TypeError(`a ${frame?.type} frame that is ${opinion}`);
  return JSON.stringify(frame);
}

/**
 * @param {unknown} data of a WebSocket's message event
 * @returns {object|null} the frame, or null for anything that this version does not understand
 */
export function decode(data) {
  const frame = parse(data);
  return record(frame) && Object.hasOwn(SERVER, frame.type) && SERVER[frame.type](frame) ? frame : null;
}

/** A page as it may be named in `hello` and `page`: never longer than the server would like. */
export const pageOf = ({ url = "", title = "", referrer = "" }) => ({
  url: fit(url, LIMITS.url),
  title: fit(title, LIMITS.title),
  ...(referrer && { referrer: fit(referrer, LIMITS.url) }),
});

/**
 * Who the site says the visitor is, without what would make the server refuse the whole frame.
 * @returns {{email?: string, name?: string, identity?: string}}
 */
export function personOf(details) {
  const known = {};
  if (email(details?.email)) known.email = details.email;
  if (string(details?.name) && details.name) known.name = fit(details.name, LIMITS.name);
  if (string(details?.identity) && details.identity) known.identity = details.identity;
  return known;
}

const fit = (text, length) => clean(clean(text).slice(0, length));

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

function isWellFormed(text) {
  return !/\p{Surrogate}/u.test(text);
}
