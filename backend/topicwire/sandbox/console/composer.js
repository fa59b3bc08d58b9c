// The line to write in: who one writes as, what one answers or edits, the text, and samples to send.

import { h, icon, iconButton } from "./dom.js";
import { avatar } from "./figures.js";
import { parse, unparse } from "./markup.js";
import { menu } from "./menu.js";
import { summary } from "./words.js";

const SAMPLES = [
  ["photo", "Photo", "photo"],
  ["voice", "Voice message", "voice"],
  ["document", "File", "file"],
  ["sticker", "Sticker", "sticker"],
  ["location", "Location", "place"],
  ["video", "Video", "play"],
];
const SHORTCUTS = { b: "**", i: "__", m: "`" };

export class Composer {
  #store;
  #acts;
  #drafts = new Map();
  #key = null;
  #reply = null;
  #edit = null;

  constructor(store, acts) {
    this.#store = store;
    this.#acts = acts;
    this.identity = h("button.identity", { type: "button", onclick: () => this.#chooseIdentity() });
    this.input = h("textarea", {
      rows: 1,
      placeholder: "Message",
      "aria-label": "Message",
      enterKeyHint: "send",
      oninput: () => this.#onInput(),
      onkeydown: (event) => this.#onKey(event),
    });
    this.context = h("div.context");
    this.sendButton = iconButton("send", "Send", () => this.#submit(), ".send");
    this.attach = iconButton("clip", "Send a sample", () => this.#chooseSample(), ".attach");
    this.note = h("div.closed-note", {});
    this.element = h(
      "div.composer",
      {},
      this.note,
      h("div.composer-card", {}, this.context, h("div.composer-line", {}, this.identity, this.input, this.attach)),
      this.sendButton,
    );
  }

  render() {
    const { topic } = this.#store;
    this.element.hidden = !topic;
    if (!topic) return;
    this.#switch(`${this.#store.chatId}/${topic.id}`);
    this.#renderIdentity();
    this.#renderContext();
    this.note.replaceChildren(...(topic.closed ? [icon("lock"), "This topic is closed. Administrators can still write."] : []));
    this.note.hidden = !topic.closed;
    this.sendButton.disabled = !this.input.value.trim();
    this.sendButton.replaceChildren(icon(this.#edit ? "check" : "send"));
  }

  reply(message) {
    this.#edit = null;
    this.#reply = message;
    this.render();
    this.input.focus();
  }

  edit(message) {
    this.#reply = null;
    this.#edit = message;
    this.input.value = unparse(message.text ?? message.caption ?? "", message.entities ?? message.caption_entities);
    this.#fit();
    this.render();
    this.input.focus();
  }

  /** Takes back the answer or the edit; false if there was none. */
  cancel() {
    if (!this.#reply && !this.#edit) return false;
    if (this.#edit) this.#setText("");
    this.#reply = this.#edit = null;
    this.render();
    return true;
  }

  focus() {
    if (matchMedia("(hover: hover)").matches) this.input.focus({ preventScroll: true });
  }

  #switch(key) {
    if (key === this.#key) return;
    if (this.#key && !this.#edit) this.#drafts.set(this.#key, this.input.value);
    this.#key = key;
    this.#reply = this.#edit = null;
    this.#setText(this.#drafts.get(key) ?? "");
  }

  #renderIdentity() {
    const person = this.#store.people.get(this.#store.as);
    if (!person) return;
    const isAnonymous = person.id === this.#store.anonymous;
    const label = `Writing as ${isAnonymous ? "an anonymous admin" : person.first_name}. Change`;
    this.identity.title = label;
    this.identity.setAttribute("aria-label", label);
    this.identity.replaceChildren(isAnonymous ? h("span.avatar.masked", {}, icon("incognito")) : avatar(person, this.#store.name(person)));
  }

  #renderContext() {
    const message = this.#edit ?? this.#reply;
    this.context.hidden = !message;
    if (!message) return;
    const title = this.#edit ? "Edit message" : `Reply to ${this.#store.name(message.from)}`;
    this.context.replaceChildren(
      icon(this.#edit ? "pencil" : "reply"),
      h("div.context-words", {}, h("strong", {}, title), h("span", {}, summary(message))),
      iconButton("close", "Cancel", () => this.cancel()),
    );
  }

  #onInput() {
    this.#fit();
    this.sendButton.disabled = !this.input.value.trim();
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "ArrowUp" && !this.input.value && !this.#reply) {
      const own = this.#store.messages.findLast((message) => message.from.id === this.#store.as && message.text);
      if (own) {
        event.preventDefault();
        this.edit(own);
      }
    } else if ((event.ctrlKey || event.metaKey) && SHORTCUTS[event.key.toLowerCase()]) {
      event.preventDefault();
      this.#wrap(SHORTCUTS[event.key.toLowerCase()]);
    }
  }

  #wrap(mark) {
    const { selectionStart: start, selectionEnd: end, value } = this.input;
    const chosen = value.slice(start, end);
    this.input.setRangeText(mark + chosen + mark, start, end, "preserve");
    this.input.setSelectionRange(start + mark.length, end + mark.length);
    this.#onInput();
  }

  async #submit() {
    const typed = this.input.value;
    if (!typed.trim()) return;
    const { text, entities } = parse(typed);
    const edited = this.#edit;
    const answered = this.#reply;
    this.#reply = this.#edit = null;
    this.#setText("");
    this.render();
    const body = { text, entities: entities.length ? entities : undefined };
    const done = edited ? await this.#acts.edit(edited, body) : await this.#acts.post({ ...body, reply_to: answered?.message_id });
    if (!done && !this.input.value) this.#setText(typed); // what was refused is not lost
    this.render();
  }

  #chooseIdentity() {
    const items = this.#store.writers.map((person) => {
      const isAnonymous = person.id === this.#store.anonymous;
      return {
        label: isAnonymous ? "Anonymous admin" : person.first_name,
        hint: isAnonymous ? "Shown as the group" : this.#store.rank(person.id),
        picture: isAnonymous ? h("span.avatar.masked", {}, icon("incognito")) : avatar(person, this.#store.name(person)),
        checked: person.id === this.#store.as,
        act: () => this.#store.writeAs(person.id),
      };
    });
    menu(this.identity, items, { header: h("p.menu-header", {}, "Write as") });
  }

  #chooseSample() {
    const answered = this.#reply;
    const items = SAMPLES.map(([kind, label, picture]) => ({
      label,
      icon: picture,
      act: async () => {
        const caption = kind === "sticker" || kind === "location" ? "" : this.input.value.trim();
        if (caption) this.#setText("");
        this.#reply = null;
        await this.#acts.post({ kind, caption, reply_to: answered?.message_id });
        this.render();
      },
    }));
    items.push("-", { label: "Album of two", icon: "photo", act: () => this.#acts.album() });
    items.push({ label: "From this computer…", icon: "clip", act: () => this.#chooseFile() });
    menu(this.attach, items, { header: h("p.menu-header", {}, "Send a sample") });
  }

  #chooseFile() {
    const picker = h("input", { type: "file", onchange: () => picker.files[0] && this.#acts.upload(picker.files[0], this.input.value.trim()) });
    picker.click();
  }

  #setText(text) {
    this.input.value = text;
    this.#fit();
  }

  #fit() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 220)}px`;
  }
}
