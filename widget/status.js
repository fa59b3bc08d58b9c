/** The one quiet line above the composer: the most important thing to know, or nothing. Pure. */

/** Shorter delays and interruptions are nobody's concern. */
export const NOTICED_DELAY = 5;
export const NOTICED_LOSS = 2_000;

/**
 * @param {object} now
 * @param {number} now.lostFor milliseconds without a connection that should be there
 * @param {boolean} [now.isHeld] whether messages wait because the server has asked for it
 * @param {string} now.state of the conversation
 * @param {number} now.delay of the relay in seconds
 * @param {import("./strings.js").Strings} strings
 * @returns {{kind: "lost"|"held"|"closed"|"late", text: string}|null}
 */
export function statusLine({ lostFor, isHeld, state, delay }, strings) {
  if (lostFor >= NOTICED_LOSS) return { kind: "lost", text: strings.say("reconnecting") };
  if (isHeld) return { kind: "held", text: strings.say("held") };
  if (state === "closed") return { kind: "closed", text: strings.say("closed") };
  if (delay <= NOTICED_DELAY) return null;
  return { kind: "late", text: strings.say("delayed", { time: strings.duration(delay) }) };
}
