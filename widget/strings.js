/** What the chat says, in the languages it speaks, and how it writes times. */

const en = {
  chat: "Chat",
  open: "Open chat",
  close: "Close chat",
  unread: { one: "1 unread message", other: "{n} unread messages" },
  presence: "Write to us, we answer right here",
  answeredBy: "{name} answers right here",
  greeting: "Hello! How can we help? Leave us a line – our answer appears right here, even if you come back later.",
  placeholder: "Write a message…",
  send: "Send",
  messages: "Messages",
  you: "You",
  sending: "Sending",
  sent: "Sent",
  delivered: "Delivered",
  failed: "This message could not be delivered.",
  retry: "Try again",
  deleted: "Message deleted",
  edited: "edited",
  newest: "New messages",
  older: "Loading earlier messages…",
  reconnecting: "Reconnecting… your messages are kept",
  held: "Just a moment – your messages will be sent shortly",
  closed: "This conversation was closed. Write to reopen it.",
  delayed: "Our chat is a little behind: about {time}",
  seconds: "{n} s",
  minutes: "{n} min",
  left: "{n} characters left",
  tooLong: "{n} characters too many to send",
  spoiler: "Show hidden text",
  quoted: "In reply to: {text}",
};

const de = {
  chat: "Chat",
  open: "Chat öffnen",
  close: "Chat schließen",
  unread: { one: "1 ungelesene Nachricht", other: "{n} ungelesene Nachrichten" },
  presence: "Schreiben Sie uns, wir antworten hier",
  answeredBy: "{name} antwortet Ihnen hier",
  greeting: "Hallo! Wie können wir helfen? Schreiben Sie uns – die Antwort erscheint hier, auch wenn Sie später wiederkommen.",
  placeholder: "Nachricht schreiben…",
  send: "Senden",
  messages: "Nachrichten",
  you: "Sie",
  sending: "Wird gesendet",
  sent: "Gesendet",
  delivered: "Zugestellt",
  failed: "Diese Nachricht konnte nicht zugestellt werden.",
  retry: "Noch einmal versuchen",
  deleted: "Nachricht gelöscht",
  edited: "bearbeitet",
  newest: "Neue Nachrichten",
  older: "Frühere Nachrichten werden geladen…",
  reconnecting: "Verbindung wird wiederhergestellt… Ihre Nachrichten bleiben erhalten",
  held: "Einen Moment – Ihre Nachrichten werden gleich gesendet",
  closed: "Diese Unterhaltung wurde beendet. Schreiben Sie, um sie fortzusetzen.",
  delayed: "Unser Chat ist etwas im Verzug: etwa {time}",
  seconds: "{n} s",
  minutes: "{n} min",
  left: "noch {n} Zeichen",
  tooLong: "{n} Zeichen zu viel zum Senden",
  spoiler: "Verborgenen Text zeigen",
  quoted: "Antwort auf: {text}",
};

const es = {
  chat: "Chat",
  open: "Abrir el chat",
  close: "Cerrar el chat",
  unread: { one: "1 mensaje sin leer", other: "{n} mensajes sin leer" },
  presence: "Escríbenos, te respondemos aquí mismo",
  answeredBy: "{name} te responde aquí mismo",
  greeting: "¡Hola! ¿En qué podemos ayudarte? Escríbenos: la respuesta aparecerá aquí, aunque vuelvas más tarde.",
  placeholder: "Escribe un mensaje…",
  send: "Enviar",
  messages: "Mensajes",
  you: "Tú",
  sending: "Enviando",
  sent: "Enviado",
  delivered: "Entregado",
  failed: "No se ha podido entregar este mensaje.",
  retry: "Intentar de nuevo",
  deleted: "Mensaje eliminado",
  edited: "editado",
  newest: "Mensajes nuevos",
  older: "Cargando mensajes anteriores…",
  reconnecting: "Reconectando… tus mensajes se conservan",
  held: "Un momento: tus mensajes se enviarán enseguida",
  closed: "Esta conversación se ha cerrado. Escribe para reabrirla.",
  delayed: "Nuestro chat va con un poco de retraso: unos {time}",
  seconds: "{n} s",
  minutes: "{n} min",
  left: "quedan {n} caracteres",
  tooLong: "Sobran {n} caracteres para enviarlo",
  spoiler: "Mostrar el texto oculto",
  quoted: "En respuesta a: {text}",
};

const fr = {
  chat: "Chat",
  open: "Ouvrir le chat",
  close: "Fermer le chat",
  unread: { one: "1 message non lu", other: "{n} messages non lus" },
  presence: "Écrivez-nous, nous répondons ici même",
  answeredBy: "{name} vous répond ici même",
  greeting: "Bonjour ! Comment pouvons-nous vous aider ? Laissez-nous un mot : la réponse s’affichera ici, même si vous revenez plus tard.",
  placeholder: "Écrire un message…",
  send: "Envoyer",
  messages: "Messages",
  you: "Vous",
  sending: "Envoi en cours",
  sent: "Envoyé",
  delivered: "Remis",
  failed: "Ce message n’a pas pu être remis.",
  retry: "Réessayer",
  deleted: "Message supprimé",
  edited: "modifié",
  newest: "Nouveaux messages",
  older: "Chargement des messages précédents…",
  reconnecting: "Reconnexion… vos messages sont conservés",
  held: "Un instant : vos messages vont partir sous peu",
  closed: "Cette conversation a été fermée. Écrivez pour la rouvrir.",
  delayed: "Notre chat a un peu de retard : environ {time}",
  seconds: "{n} s",
  minutes: "{n} min",
  left: "encore {n} caractères",
  tooLong: "{n} caractères de trop pour l’envoi",
  spoiler: "Afficher le texte masqué",
  quoted: "En réponse à : {text}",
};

/** Every language with the same names in it. */
export const LANGUAGES = Object.freeze({ en, de, es, fr });

const base = (language) => language.toLowerCase().split("-")[0];
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/** One language, ready to speak. */
export class Strings {
  #words;
  #plural;
  #time;
  #day;
  #moment;
  #relative;

  /** @param {string[]} wanted languages, the most wanted first */
  constructor(wanted) {
    this.language = wanted.map(base).find((language) => Object.hasOwn(LANGUAGES, language)) ?? "en";
    const locale = wanted.find((tag) => base(tag) === this.language && isTag(tag)) ?? this.language;
    this.#words = LANGUAGES[this.language];
    this.#plural = new Intl.PluralRules(this.language);
    this.#time = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
    this.#day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
    this.#moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
    this.#relative = new Intl.RelativeTimeFormat(this.language, { numeric: "auto" });
  }

  /** @returns {string} the words of that name, with `{placeholders}` filled */
  say(name, values = {}) {
    return fill(this.#words[name], values);
  }

  count(name, n) {
    const forms = this.#words[name];
    return fill(forms[this.#plural.select(n)] ?? forms.other, { n });
  }

  /** A length of time, as long as it feels: "12 s", "3 min". */
  duration(seconds) {
    const long = seconds >= 90;
    return this.say(long ? "minutes" : "seconds", { n: Math.round(long ? seconds / 60 : seconds) });
  }

  time(at) {
    return this.#time.format(new Date(at));
  }

  moment(at) {
    return this.#moment.format(new Date(at));
  }

  /** @param {string} day like "2026-03-01" */
  day(day, today = new Date()) {
    const [year, month, date] = day.split("-").map(Number);
    const midnight = Date.UTC(year, month - 1, date);
    const now = Date.UTC(today.getFullYear(), today.getMonth(), today.getDate());
    const ago = Math.round((midnight - now) / 86_400_000);
    const text = Math.abs(ago) < 2
      ? this.#relative.format(ago, "day")
      : this.#day.format(new Date(year, month - 1, date));
    return text.charAt(0).toUpperCase() + text.slice(1);
  }
}

function isTag(tag) {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}
