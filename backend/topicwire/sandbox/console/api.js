// The control API: what people do in their Telegram, and the stream of what happens.

const BASE = new URL("api/", location.href.split(/[?#]/)[0]);

/** What was asked for was not done; the message says why. */
export class RefusedError extends Error {}

async function send(path, options) {
  let response;
  try {
    response = await fetch(new URL(path, BASE), options);
  } catch {
    throw new RefusedError("The sandbox does not answer.");
  }
  if (!response.headers.get("Content-Type")?.startsWith("application/json")) {
    throw new RefusedError(`The sandbox answered ${response.status}. Was it started again with other data?`);
  }
  const answer = await response.json();
  if (!response.ok) throw new RefusedError(answer.error);
  return answer;
}

const call = (method, path, body) =>
  send(path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });

export const state = () => call("GET", "state");
export const messages = (chat, thread, { before, limit = 100 } = {}) =>
  call("GET", `chats/${chat}/topics/${thread}/messages?limit=${limit}${before ? `&before=${before}` : ""}`);
export const post = (chat, body) => call("POST", `chats/${chat}/messages`, body);
export const edit = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/edit`, body);
export const react = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/reaction`, body);
export const remove = (chat, id, as) => call("DELETE", `chats/${chat}/messages/${id}?as=${as}`);
export const album = (chat, body) => call("POST", `chats/${chat}/album`, body);
export const pin = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/pin`, body);
export const press = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/press`, body);
export const upload = (chat, file, query) =>
  send(`chats/${chat}/upload?${new URLSearchParams(query)}`, {
    method: "POST",
    headers: { "Content-Type": file.type || "application/octet-stream" },
    body: file,
  });
/** Where a file of a message can be seen or heard. */
export const fileAddress = (file) => new URL(`files/${file.file_unique_id}`, BASE).href;

export const createTopic = (chat, body) => call("POST", `chats/${chat}/topics`, body);
/** `act` is rename, close, reopen, delete or read. */
export const topic = (chat, thread, act, body) => call("POST", `chats/${chat}/topics/${thread}/${act}`, body || {});

export const createChat = (body) => call("POST", "chats", body);
export const setTitle = (chat, body) => call("POST", `chats/${chat}/title`, body);
export const setForum = (chat, on) => call("POST", `chats/${chat}/forum`, { on });
export const migrate = (chat) => call("POST", `chats/${chat}/migrate`);
export const destroy = (chat) => call("POST", `chats/${chat}/destroy`);
export const addPerson = (chat, body) => call("POST", `chats/${chat}/people`, body);
export const setMember = (chat, person, body) => call("POST", `chats/${chat}/people/${person}`, body);

export const bots = () => call("GET", "bots");
export const addBot = (body) => call("POST", "bots", body);
export const calls = (last) => call("GET", `calls?last=${last}`);
export const addFault = (body) => call("POST", "faults", body);
export const clearFault = (id) => call("DELETE", id ? `faults/${id}` : "faults");
export const advance = (seconds) => call("POST", "clock", { advance: seconds });

/** Calls `onEvent` for each event and `onLink(true | false)` as the stream comes and goes. */
export function listen(onEvent, onLink) {
  const stream = new EventSource(new URL("events", BASE));
  stream.addEventListener("open", () => onLink(true));
  stream.addEventListener("error", () => {
    onLink(false);
    // A stream that ended for good is not tried again by the browser.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => listen(onEvent, onLink), 1500);
  });
  stream.addEventListener("message", (event) => onEvent(JSON.parse(event.data)));
}
