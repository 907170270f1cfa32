// The page's frame: tabs, theme, API key, keyboard. A page is a line in PAGES: its module's show(place) draws it and returns what
// ends it. All are loaded at once: a browser opens few connections, and answers may hold them.
import {h, setText} from "./dom.js";
import {key, setKey} from "./api.js";
import {feed, restart, run, watch} from "./feed.js";
import * as cloud from "./cloud.js";
import * as traffic from "./traffic.js";
import * as requests from "./requests.js";
import * as faults from "./faults.js";
import * as chat from "./chat.js";
import * as billing from "./billing.js";

const PAGES = [
  {id: "cloud", title: "Cloud", module: cloud},
  {id: "traffic", title: "Traffic", module: traffic},
  {id: "requests", title: "Requests", module: requests},
  {id: "faults", title: "Faults", module: faults},
  {id: "chat", title: "Chat", module: chat},
  {id: "billing", title: "Billing", module: billing},
];
const $ = id => document.getElementById(id);
const dialog = $("dialog");
let leave = null, shown = "";

function go() {
  const page = PAGES.find(one => "#/" + one.id === location.hash) ?? PAGES[0];
  if (shown === page.id) return;
  shown = page.id;
  document.title = `${page.title} · Waferline`;
  for (const link of $("tabs").children) {
    if (link.hash === "#/" + page.id) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  leave?.();
  $("content").replaceChildren();
  leave = page.module.show($("content"));
}

function theme(next) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const chosen = next ?? localStorage.getItem("waferline-theme") ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = chosen;
  if (next) localStorage.setItem("waferline-theme", next);
}

function openDialog(title, ...content) {
  dialog.replaceChildren(h("h2", {id: "dialog-title"}, title), ...content);
  dialog.showModal();
}

function askKey() {
  const input = h("input", {type: "password", value: key(), autocomplete: "off", "aria-label": "API key"});
  const save = event => { event.preventDefault(); setKey(input.value.trim()); dialog.close(); restart(); };
  openDialog("API key", h("form", {method: "dialog", onsubmit: save}, h("p", {class: "soft"}, "Needed where there are keys (api_keys of the configuration, or waferctl keys create). An operator's sees and breaks the cloud; any key chats. It stays in this tab."),
    h("p", {}, input), h("div", {class: "row"}, h("button", {class: "main"}, "Use it"), h("button", {type: "button", onclick: () => dialog.close()}, "Cancel"))));
  input.focus();
}

function showHelp() {
  const keys = [...PAGES.map((page, i) => [String(i + 1), page.title]), ["d", "light or dark"], ["k", "API key"], ["m", "write a message"], ["Esc", "stop an answer, close this"], ["?", "this list"]];
  openDialog("Keyboard", h("table", {}, h("tbody", {}, keys.map(([press, what]) => h("tr", {}, h("td", {}, h("kbd", {}, press)), h("td", {}, what))))),
    h("p", {}, h("button", {type: "button", onclick: () => dialog.close()}, "Close")));
}

const switchTheme = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
  const page = PAGES[Number(event.key) - 1];
  if (page) location.hash = "#/" + page.id;
  else if (event.key === "d") switchTheme();
  else if (event.key === "k") { event.preventDefault(); askKey(); }
  else if (event.key === "?") showHelp();
  else if (event.key === "m") { event.preventDefault(); location.hash = "#/chat"; setTimeout(() => $("message")?.focus(), 100); }
}

function showState() {
  const [kind, text] = feed.problem ? ["bad", "not connected"] : !feed.now ? ["", "connecting"]
    : feed.now.state === "draining" ? ["bad", "draining"] : feed.now.blocked ? ["", "waiting for a value"] : ["good", "live"];
  $("state").className = "state " + kind;
  setText($("state"), text);
  $("notice").hidden = !feed.problem;
  setText($("notice"), feed.problem);
}

theme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
$("tabs").replaceChildren(...PAGES.map(page => h("a", {href: "#/" + page.id}, page.title)));
$("theme").onclick = switchTheme;
$("key").onclick = askKey;
$("help").onclick = showHelp;
addEventListener("hashchange", go);
addEventListener("keydown", onKey);
watch(showState);
go();
run();
