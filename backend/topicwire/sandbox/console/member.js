// Somebody in the group, or who could be: what they are, what they may do, and for a bot how it is reached.

import { h, icon } from "./dom.js";
import { avatar, mask } from "./figures.js";
import { choice, fact, toggle } from "./parts.js";

const STATUSES = [
  ["creator", "Owner"],
  ["administrator", "Administrator"],
  ["member", "Member"],
  ["restricted", "May only read"],
  ["left", "Not in the group"],
  ["kicked", "Banned"],
];
const RIGHTS = [
  ["can_manage_topics", "Manage topics"],
  ["can_delete_messages", "Delete messages"],
  ["can_pin_messages", "Pin messages"],
  ["can_change_info", "Change the group"],
  ["can_invite_users", "Invite people"],
  ["can_restrict_members", "Restrict members"],
  ["can_promote_members", "Add administrators"],
];
const SHORT = { creator: "owner", administrator: "admin", member: "member", restricted: "may only read", left: "not in the group", kicked: "banned" };

/** `set(body)` changes the role and answers whether that was done. */
export class MemberPart {
  #person;
  #role = { status: "left", rights: [] };
  #rights;

  constructor(person, { name, isAnonymous, set }) {
    this.#person = person;
    const title = isAnonymous ? "Anonymous admin" : name;
    this.label = h("small");
    this.choice = choice("Status", STATUSES.filter(([value]) => value !== "creator" || !person.is_bot), (status) => set({ status }));
    this.choice.name(`Status of ${title}`);
    this.#rights = RIGHTS.map(([right, label]) => [right, toggle(label, (on) => set({ status: "administrator", rights: this.#with(right, on) }))]);
    this.rights = h("div.rights", {}, this.#rights.map(([, part]) => part.element));
    this.facts = person.is_bot && !isAnonymous ? new BotFacts() : null;
    this.element = h(
      "details.member",
      { "data-person": person.id },
      h(
        "summary",
        {},
        isAnonymous ? mask() : avatar(person, name),
        h("span.member-words", {}, h("strong", { dir: "auto" }, title), this.label),
        icon("down"),
      ),
      h("div.member-more", {}, this.choice.element, this.rights, this.facts?.element),
    );
  }

  update(role, bot) {
    this.#role = role;
    const username = this.#person.username && this.facts ? ` · @${this.#person.username}` : "";
    this.label.textContent = SHORT[role.status] + username;
    this.element.classList.toggle("absent", ["left", "kicked"].includes(role.status));
    this.choice.update(role.status);
    this.rights.hidden = role.status !== "administrator";
    for (const [right, part] of this.#rights) part.update(role.rights.includes(right));
    this.facts?.update(bot);
  }

  #with(right, on) {
    const others = this.#role.rights.filter((each) => each !== right);
    return on ? [...others, right] : others;
  }
}

class BotFacts {
  constructor() {
    this.address = fact("Webhook", ".address");
    this.pending = fact("Updates waiting");
    this.failure = fact("Last failure", ".address");
    this.token = h("code.token");
    this.element = h(
      "div",
      {},
      this.address.element,
      this.pending.element,
      this.failure.element,
      h("details.secret", {}, h("summary", {}, "Token"), this.token),
    );
  }

  update({ token, webhook }) {
    this.address.update(webhook.url || "not set: it asks for updates itself");
    this.pending.update(String(webhook.pending));
    this.failure.update(webhook.last_error_message ?? "");
    if (this.token.textContent !== token) this.token.textContent = token;
  }
}
