// The control API: what people do in their Telegram, and the stream of what happens.

const BASE = new URL("api/", location.href.split(/[?#]/)[0]);

async function call(method, path, body) {
  const response = await fetch(new URL(path, BASE), {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

export const state = () => call("GET", "state");
export const messages = (chat, thread, before) =>
  call("GET", `chats/${chat}/topics/${thread}/messages${before ? `?before=${before}` : ""}`);
export const post = (chat, body) => call("POST", `chats/${chat}/messages`, body);
export const edit = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/edit`, body);
export const react = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/reaction`, body);
export const remove = (chat, id, as) => call("DELETE", `chats/${chat}/messages/${id}?as=${as}`);
export const createTopic = (chat, body) => call("POST", `chats/${chat}/topics`, body);
/** `act` is rename, close, reopen, delete or read. */
export const topic = (chat, thread, act, body) => call("POST", `chats/${chat}/topics/${thread}/${act}`, body || {});
export const setBot = (chat, body) => call("POST", `chats/${chat}/bot`, body);
export const calls = () => call("GET", "calls");
export const faults = () => call("GET", "faults");
export const addFault = (body) => call("POST", "faults", body);
export const clearFault = (id) => call("DELETE", id ? `faults/${id}` : "faults");
export const addBot = (body) => call("POST", "bots", body);
export const createChat = (body) => call("POST", "chats", body);
export const setTitle = (chat, title) => call("POST", `chats/${chat}/title`, { title });
export const migrate = (chat) => call("POST", `chats/${chat}/migrate`);
export const destroy = (chat) => call("POST", `chats/${chat}/destroy`);
export const album = (chat, body) => call("POST", `chats/${chat}/album`, body);
export const pin = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/pin`, body);
export const press = (chat, id, body) => call("POST", `chats/${chat}/messages/${id}/press`, body);
/** Where a file of a message can be seen or heard. */
export const fileAddress = (file) => new URL(`files/${file.file_unique_id}`, BASE).href;

export async function upload(chat, file, query) {
  const address = new URL(`chats/${chat}/upload?${new URLSearchParams(query)}`, BASE);
  const response = await fetch(address, { method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

export const setForum = (chat, on) => call("POST", `chats/${chat}/forum`, { on });

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
