/*
 * Topicwire: the script that a website embeds. It puts up the call queue and one host element, and
 * lets the browser fetch the rest; nothing here needs more than ES2018, and nothing here throws.
 */
(function () {
  "use strict";

  const VERSION = "dev";
  const MODULES =
    "main api backoff browser chat client composer conversation delivery elements entities hold " +
    "launcher memory message outbox page panel presence protocol rows socket status storage strings " +
    "transcript turn view";

  const earlier = window.Topicwire;
  if (earlier && earlier.loaded) return;

  const script =
    document.currentScript || document.querySelector('script[data-key][src*="/widget.js"]');
  const key = script && script.getAttribute("data-key");
  if (!key) {
    console.warn('Topicwire: the script tag needs data-key="…", the public key of your project.');
    return;
  }

  const calls = Array.prototype.slice.call((earlier && earlier.q) || []);
  let deliver = function (call) {
    calls.push(call);
  };
  function Topicwire() {
    deliver(arguments);
  }
  Topicwire.loaded = true;
  Topicwire.q = {
    push: function (call) {
      deliver(call);
    },
  };
  if (earlier) earlier.q = Topicwire.q; // whoever kept the stub goes on reaching us
  window.Topicwire = Topicwire;

  const server = new URL(script.src).origin;
  const files = server + "/widget/" + VERSION + "/";
  const host = document.createElement("topicwire-chat");
  for (const rule of ["all:initial", "position:fixed", "right:0", "bottom:0", "width:0", "height:0"]) {
    host.style.setProperty(rule.split(":")[0], rule.split(":")[1], "important");
  }
  host.topicwire = {
    key: key,
    server: server,
    files: files,
    take: function (run) {
      deliver = run;
      calls.splice(0).forEach(run);
    },
  };

  function link(rel, file, as) {
    const element = document.createElement("link");
    element.rel = rel;
    element.href = files + file;
    if (as) element.as = as;
    host.appendChild(element);
  }

  /* Beside <body>, not in it: page frameworks that replace the body leave the chat alone, and a
     transformed body is not what our fixed boxes are placed in. */
  function mount() {
    document.documentElement.appendChild(host);
    link("preload", "chat.css", "style");
    for (const name of MODULES.split(" ")) link("modulepreload", name + ".js");
    const entry = document.createElement("script");
    entry.type = "module";
    entry.src = files + "main.js";
    entry.onerror = function () {
      console.warn("Topicwire: the chat could not be loaded from " + server + ".");
    };
    host.appendChild(entry);
  }

  function begin() {
    try {
      mount();
    } catch (error) {
      console.warn("Topicwire: this page does not let the chat load. " + error.message);
    }
  }

  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin, { once: true });
})();
