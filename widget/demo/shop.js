/* The shop: puts the real snippet on the page and uses the chat as any shop would. */
const query = new URLSearchParams(location.search);
const find = (id) => document.getElementById(id);

window.Topicwire = window.Topicwire || function () {
  (Topicwire.q = Topicwire.q || []).push(arguments);
};

embed(query.get("key"));
linkConsole(query.get("console"));
beHostile(query.get("hostile") === "1");
find("nasty").addEventListener("change", (event) => beHostile(event.target.checked));

for (const button of document.querySelectorAll("[data-topicwire]")) {
  button.addEventListener("click", () => Topicwire(button.dataset.topicwire));
}
for (const button of document.querySelectorAll("[data-ask]")) {
  button.addEventListener("click", () => {
    Topicwire("prefill", `Is the ${button.dataset.ask} in stock?`);
    Topicwire("open");
  });
}
Topicwire("on", "unread", (count) => {
  find("unread").hidden = count === 0;
  find("unread").textContent = count;
});

/* What the dashboard gives to paste: <script async src="…/widget.js" data-key="…"></script> */
function embed(key) {
  find("hint").hidden = Boolean(key);
  if (!key) return;
  const script = document.createElement("script");
  script.async = true;
  script.src = "/widget.js";
  script.dataset.key = key;
  document.head.append(script);
}

/* Only a console on this very machine: this page must not lead just anywhere. */
function linkConsole(address) {
  if (!address || !URL.canParse(address)) return;
  const { protocol, hostname, href } = new URL(address);
  const loopback = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  if (protocol !== "http:" || !loopback || hostname !== location.hostname) return;
  find("console").href = href;
  find("console").hidden = false;
}

function beHostile(nasty) {
  find("nasty").checked = nasty;
  find("hostile").disabled = !nasty;
}
