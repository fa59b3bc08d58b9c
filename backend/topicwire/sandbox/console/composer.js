// The line to write in: who one writes as, what one answers or edits, the text. Nothing typed is lost: not by
// a look into another topic, not by a refusal, not by a reload.

import { attachments } from "./attach.js";
import { h, icon, iconButton } from "./dom.js";
import { Drafts } from "./drafts.js";
import { Identity } from "./identity.js";
import { parse, unparse } from "./markup.js";
import { keyOf } from "./store.js";
import { summary } from "./words.js";

const SHORTCUTS = { b: "**", i: "__", m: "`" };
const LONGEST = 4096;
const NEARLY = 3896;
const TALLEST = 220;

export class Composer {
  drafts = new Drafts();
  #store;
  #acts;
  #place = null; // { chatId, thread, key } that the input belongs to
  #edits = new Map();
  #reply = null;
  #edit = null;
  #sending = Promise.resolve();

  constructor(store, acts) {
    this.#store = store;
    this.#acts = acts;
    this.identity = new Identity(store, () => this.focus());
    this.input = h("textarea", {
      rows: 1,
      dir: "auto",
      placeholder: "Message",
      "aria-label": "Message",
      enterKeyHint: "send",
      oninput: () => this.#onInput(),
      onkeydown: (event) => this.#onKey(event),
      onpaste: (event) => this.#onFiles(event, event.clipboardData.files),
    });
    this.context = h("div.context", { hidden: true });
    this.counter = h("span.counter", { hidden: true });
    this.sendButton = iconButton("send", "Send", () => this.#submit(), ".send");
    this.attach = iconButton("clip", "Attach", () => attachments(this.attach, this), ".attach");
    this.attach.setAttribute("aria-haspopup", "menu");
    this.note = h("div.closed-note", { hidden: true });
    this.element = h(
      "div.composer",
      { hidden: true },
      this.note,
      h("div.composer-card", {}, this.context, h("div.composer-line", {}, this.identity.element, this.input, this.counter, this.attach)),
      this.sendButton,
    );
  }

  render() {
    const { topic } = this.#store;
    this.element.hidden = !topic;
    this.#switch(topic ? { chatId: this.#store.chatId, thread: topic.id, key: this.#store.key } : null);
    if (!topic) return;
    this.identity.render();
    this.#renderNote(topic);
    this.#renderLength();
  }

  reply(message) {
    this.#leaveEdit();
    this.#reply = message;
    this.#keep();
    this.#renderContext();
    this.input.focus();
  }

  edit(message) {
    this.#keep();
    this.#reply = null;
    this.#edit = message;
    this.#setText(unparse(message.text ?? message.caption ?? "", message.entities ?? message.caption_entities));
    this.#renderContext();
    this.input.focus();
  }

  /** Takes back the answer or the edit; false if there was none. */
  cancel() {
    if (this.#edit) this.#leaveEdit();
    else if (this.#reply) this.#reply = null;
    else return false;
    this.#keep();
    this.#renderContext();
    return true;
  }

  focus() {
    if (matchMedia("(hover: hover)").matches) this.input.focus({ preventScroll: true });
  }

  /** What was typed goes along with something else, as its caption; it comes back if that is refused. */
  async sendWith(act, { captioned = true } = {}) {
    const { key } = this.#place;
    const text = captioned && !this.#edit ? this.input.value.trim() : "";
    const reply = this.#edit ? null : this.#reply;
    if (!this.#edit) {
      this.#reply = null;
      if (text) this.#setText("");
      this.#keep();
      this.#renderContext();
    }
    const to = this.#here();
    await this.#send(key, { text, reply }, () => act(to, { caption: text, reply_to: reply?.message_id }));
  }

  sendSample(kind, captioned) {
    return this.sendWith((to, more) => this.#acts.post(to, { kind, ...more }), { captioned });
  }

  sendAlbum(kinds) {
    return this.sendWith((to, more) => this.#acts.album(to, { kinds, ...more }));
  }

  async sendFiles(files) {
    for (const file of files) await this.sendWith((to, more) => this.#acts.upload(to, file, more));
  }

  /** Where a message goes that is sent now, whatever is open by the time it is its turn. */
  #here() {
    return { chat: this.#place.chatId, thread: this.#place.thread, as: this.#store.as };
  }

  #switch(place) {
    if (place?.key === this.#place?.key) return;
    this.#leave();
    this.#place = place;
    this.#reply = this.#edit = null;
    if (!place) return;
    const edit = this.#edits.get(place.key);
    this.#edits.delete(place.key);
    this.#edit = edit?.message ?? null;
    const draft = this.drafts.get(place.key);
    if (!edit) this.#reply = draft.reply;
    this.#setText(edit?.text ?? draft.text);
    this.#renderContext();
  }

  #leave() {
    const left = this.#place;
    if (!left) return;
    if (this.#edit) this.#edits.set(left.key, { message: this.#edit, text: this.input.value });
    else this.#keep();
    const successor = this.#store.chats.get(left.chatId)?.migrated_to;
    if (successor) this.drafts.move(left.key, keyOf(successor, left.thread));
  }

  #leaveEdit() {
    if (!this.#edit) return;
    this.#edit = null;
    const draft = this.drafts.get(this.#place.key);
    this.#reply = draft.reply;
    this.#setText(draft.text);
  }

  #keep() {
    if (this.#place && !this.#edit) this.drafts.put(this.#place.key, { text: this.input.value, reply: this.#reply });
  }

  #renderContext() {
    const message = this.#edit ?? this.#reply;
    this.context.hidden = !message;
    this.sendButton.replaceChildren(icon(this.#edit ? "check" : "send"));
    this.sendButton.title = this.#edit ? "Save" : "Send";
    if (!message) return;
    const title = this.#edit ? "Edit message" : `Reply to ${this.#store.name(message.from)}`;
    this.context.replaceChildren(
      icon(this.#edit ? "pencil" : "reply"),
      h(
        "button.context-words",
        { type: "button", title: "Show the message", onclick: () => this.#acts.jump(message.message_id) },
        h("strong", {}, title),
        h("span", { dir: "auto" }, summary(message)),
      ),
      iconButton("close", "Cancel", () => {
        this.cancel();
        this.input.focus();
      }),
    );
  }

  #renderNote(topic) {
    const text = this.#store.as === null ? "Nobody of this group is left to write as." : topic.closed ? "This topic is closed. Administrators can still write." : "";
    this.note.hidden = !text;
    if (this.note.dataset.text === text) return;
    this.note.dataset.text = text;
    this.note.replaceChildren(icon("lock"), text);
  }

  #renderLength() {
    const { length } = this.input.value;
    this.sendButton.disabled = !this.input.value.trim() || this.#store.as === null;
    this.counter.hidden = length < NEARLY;
    this.counter.textContent = String(LONGEST - length);
    this.counter.classList.toggle("over", length > LONGEST);
  }

  #onInput() {
    this.#fit();
    this.#renderLength();
    this.#keep();
  }

  #onKey(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "ArrowUp" && !this.input.value && !this.#reply) {
      this.#editLast(event);
    } else if ((event.ctrlKey || event.metaKey) && SHORTCUTS[event.key.toLowerCase()]) {
      event.preventDefault();
      this.#wrap(SHORTCUTS[event.key.toLowerCase()]);
    }
  }

  #editLast(event) {
    const own = this.#store.messages.findLast((message) => message.from.id === this.#store.as && (message.text ?? message.caption));
    if (!own || event.altKey) return;
    event.preventDefault();
    this.edit(own);
  }

  #onFiles(event, files) {
    if (!files.length) return;
    event.preventDefault();
    this.sendFiles([...files]);
  }

  #wrap(mark) {
    const { selectionStart: start, selectionEnd: end, value } = this.input;
    const chosen = value.slice(start, end);
    this.input.setRangeText(mark + chosen + mark, start, end, "preserve");
    this.input.setSelectionRange(start + mark.length, end + mark.length);
    this.#onInput();
  }

  #submit() {
    const typed = this.input.value;
    if (!typed.trim() || this.sendButton.disabled) return;
    const { text, entities } = parse(typed);
    const body = { text, entities: entities.length ? entities : undefined };
    const { key } = this.#place;
    const to = this.#here();
    const edited = this.#edit;
    if (edited) {
      this.#leaveEdit();
      this.#renderContext();
      this.#send(key, null, () => this.#acts.edit(to, edited, body), { message: edited, text: typed });
      return;
    }
    const answered = this.#reply;
    this.#reply = null;
    this.#setText("");
    this.#keep();
    this.#renderContext();
    this.#send(key, { text: typed, reply: answered }, () => this.#acts.post(to, { ...body, reply_to: answered?.message_id }));
  }

  /** One after the other, so that what is typed quickly arrives in its order. What is refused comes back. */
  #send(key, draft, act, edit) {
    this.#sending = this.#sending.then(act).then((isDone) => {
      if (isDone) return;
      if (draft) this.#giveBack(key, draft);
      else if (this.#place?.key === key) this.#reopenEdit(edit);
      else this.#edits.set(key, edit);
    });
    return this.#sending;
  }

  #giveBack(key, draft) {
    this.drafts.giveBack(key, draft);
    this.#store.changed();
    if (this.#place?.key !== key || this.#edit) return;
    const kept = this.drafts.get(key);
    this.#reply = kept.reply;
    this.#setText(kept.text);
    this.#renderContext();
  }

  #reopenEdit({ message, text }) {
    this.edit(message);
    this.#setText(text);
  }

  #setText(text) {
    this.input.value = text;
    this.#fit();
    this.#renderLength();
  }

  #fit() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, TALLEST)}px`;
  }
}
