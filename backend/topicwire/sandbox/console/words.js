// Names, times and one-line summaries as people read them.

const TIME = new Intl.DateTimeFormat([], { timeStyle: "short" });
const WEEKDAY = new Intl.DateTimeFormat([], { weekday: "short" });
const DAY = new Intl.DateTimeFormat([], { day: "numeric", month: "long" });
const SHORT_DAY = new Intl.DateTimeFormat([], { day: "2-digit", month: "2-digit", year: "2-digit" });

export const time = (seconds) => TIME.format(seconds * 1000);

/** The date as a list shows it: a time today, a weekday this week, else a date. */
export function listDate(seconds) {
  const age = startOfDay(Date.now()) - startOfDay(seconds * 1000);
  if (age <= 0) return time(seconds);
  return age < 7 * 864e5 ? WEEKDAY.format(seconds * 1000) : SHORT_DAY.format(seconds * 1000);
}

export function dayName(seconds) {
  const age = Math.round((startOfDay(Date.now()) - startOfDay(seconds * 1000)) / 864e5);
  return ["Today", "Yesterday"][age] ?? DAY.format(seconds * 1000);
}

export const isSameDay = (one, other) => startOfDay(one * 1000) === startOfDay(other * 1000);

function startOfDay(milliseconds) {
  return new Date(milliseconds).setHours(0, 0, 0, 0);
}

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** One of Telegram's seven colours, by id, as it gives them to people. */
export const colour = (id) => Math.abs(id) % 7;

export const isService = (message) => serviceText(message, "") !== null;

/** What a service message says; null for any other message. */
export function serviceText(message, who) {
  if (message.forum_topic_created) return `${who} created the topic “${message.forum_topic_created.name}”`;
  if (message.forum_topic_closed) return `${who} closed the topic`;
  if (message.forum_topic_reopened) return `${who} reopened the topic`;
  if (message.general_forum_topic_hidden) return `${who} hid General`;
  if (message.general_forum_topic_unhidden) return `${who} showed General again`;
  if (message.new_chat_title) return `${who} renamed the group to “${message.new_chat_title}”`;
  if (message.pinned_message) return `${who} pinned a message`;
  if (message.new_chat_members) return `${message.new_chat_members.map((person) => person.first_name).join(", ")} joined the group`;
  if (message.left_chat_member) return `${message.left_chat_member.first_name} left the group`;
  if (message.migrate_to_chat_id) return "The group became a supergroup, which is another chat";
  if (message.migrate_from_chat_id) return "This supergroup was a basic group until now";
  if (message.forum_topic_edited) {
    const name = message.forum_topic_edited.name;
    return name ? `${who} renamed the topic to “${name}”` : `${who} changed the topic’s icon`;
  }
  return null;
}

const MEDIA = {
  photo: "🖼 Photo",
  voice: "🎤 Voice message",
  document: "📎 File",
  video: "🎬 Video",
  animation: "GIF",
  audio: "🎵 Audio",
  video_note: "🎬 Video message",
  sticker: "Sticker",
  contact: "👤 Contact",
  poll: "📊 Poll",
  venue: "📍 Place",
  dice: "🎲 Dice",
  location: "📍 Location",
};

/** A message in one line. */
export function summary(message) {
  if (message.text) return message.text.replaceAll("\n", " ");
  if (message.sticker) return `${message.sticker.emoji} Sticker`;
  const kind = Object.keys(MEDIA).find((each) => message[each]);
  const label = kind === "document" ? `📎 ${message.document.file_name}` : MEDIA[kind] ?? "Message";
  return message.caption ? `${label.split(" ")[0]} ${message.caption.replaceAll("\n", " ")}` : label;
}

const EMOJI = String.raw`\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?`;
const JUMBO = new RegExp(String.raw`^(?:\p{RI}{2}|${EMOJI}(?:\u200D${EMOJI})*){1,3}$`, "u");

/** Up to three emoji and nothing else; one of several parts counts as one. */
export const isJumbo = (text) => JUMBO.test(text);

/** A refusal in plain words where Telegram's own say little. */
export function refusal(error) {
  const plain = { TOPIC_CLOSED: "This topic is closed: only administrators can write here.", "message is too long": "That is too long: a message has at most 4096 characters." };
  return plain[error] ?? error.charAt(0).toUpperCase() + error.slice(1) + (/[.!?]$/.test(error) ? "" : ".");
}

export function fileSize(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
