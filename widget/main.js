/** The entry: brings the host element that embed.js put into the page to life. */
import { Chat } from "./chat.js";

for (const host of document.querySelectorAll("topicwire-chat")) {
  const { topicwire } = host;
  if (topicwire && !host.shadowRoot) new Chat(host, topicwire).start();
}
