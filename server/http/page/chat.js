// Chat with a model: sampling, the speed of each answer and its emulated times, stop, regenerate.
import {h} from "./dom.js";
import {count, ms} from "./format.js";
import {ask, events, open} from "./api.js";
import {markdown} from "./markdown.js";

const state = {turns: [], model: "", system: "", running: null, settings: {temperature: "", top_p: "", max_tokens: "", seed: ""}};

// What the server says of an answer's emulated times, in one line.
function timesOf(answer) {
  const {usage, time_info: times} = answer;
  if (!usage) return answer.note ?? "";
  const parts = [`${count(usage.completion_tokens)} tokens`];
  if (times && times.completion_time > 0) {
    const after = times.total_time - times.first_token_time;  // as waferctl and the page's requests have it
    if (after > 0) parts.push(`${count((usage.completion_tokens - 1) / after)} tokens/s after the first, emulated`);
    parts.push([`queue ${ms(times.queue_time * 1e3)}`, `prefill ${ms(times.prompt_time * 1e3)}`, `decode ${ms(times.completion_time * 1e3)}`, `in all ${ms(times.total_time * 1e3)}`].join(", "));
  }
  if (answer.wall_ms) parts.push(`${ms(answer.wall_ms)} in this browser`);
  return (answer.note ? answer.note + "; " : "") + parts.join(" · ");
}

function turnNode(turn) {
  if (turn.role === "user") return h("div", {class: "turn user"}, turn.content);
  const text = turn.content ? markdown(turn.content) : [h("p", {class: "soft"}, turn.note ? "" : "…")];
  return h("div", {class: "turn assistant"}, text, h("div", {class: "soft number"}, timesOf(turn)));
}

function body() {
  const request = {model: state.model, stream: true, stream_options: {include_usage: true}, messages: []};
  if (state.system) request.messages.push({role: "system", content: state.system});
  for (const {role, content} of state.turns) if (content) request.messages.push({role, content});
  for (const [name, value] of Object.entries(state.settings)) if (value !== "") request[name] = Number(value);
  return request;
}

function takeChunk(answer, data) {
  if (data === "[DONE]") return;
  const chunk = JSON.parse(data);
  if (chunk.error) throw new Error(chunk.error.message);
  answer.content += chunk.choices?.[0]?.delta?.content ?? "";
  if (chunk.usage) answer.usage = chunk.usage;
  if (chunk.time_info) answer.time_info = chunk.time_info;
}

async function generate(redraw) {
  const request = body(), answer = {role: "assistant", content: ""}, begun = performance.now();
  state.turns.push(answer);
  state.running = new AbortController();
  let due = false;
  const soon = () => { if (!due) { due = true; requestAnimationFrame(() => { due = false; redraw(false); }); } };
  redraw(true);
  try {
    const response = await open("/v1/chat/completions", request, state.running.signal);
    await events(response, data => { takeChunk(answer, data); soon(); });
  } catch (error) {
    answer.note = error.name === "AbortError" ? "stopped" : error.message;
  }
  answer.wall_ms = performance.now() - begun;
  state.running = null;
  redraw(true);
}

function settingsNode(names, chosen) {
  const model = h("select", {onchange: () => { state.model = model.value; chosen(); }}, names.map(name => h("option", {value: name, selected: name === state.model}, name)));
  const number = (name, label, attributes) => h("label", {}, label, h("input", {type: "number", value: state.settings[name], placeholder: "default", ...attributes, oninput: event => { state.settings[name] = event.target.value; }}));
  const system = h("label", {}, "System prompt", h("input", {type: "text", value: state.system, oninput: event => { state.system = event.target.value; }}));
  return h("div", {class: "settings"}, h("label", {}, "Model", model), number("temperature", "Temperature", {min: 0, max: 2, step: 0.1}), number("top_p", "Top p", {min: 0, max: 1, step: 0.05}),
    number("max_tokens", "Tokens at most", {min: 1, step: 1}), number("seed", "Seed", {step: 1}), system);
}

export function show(place) {
  const settings = h("div"), talk = h("div", {class: "talk", "aria-live": "polite", "aria-busy": "false"}), about = h("p", {class: "soft"}), problem = h("p", {role: "alert"});
  const text = h("textarea", {rows: 2, "aria-label": "Message", placeholder: "Message; Enter sends, Shift+Enter is a new line", id: "message",
    onkeydown: event => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); } }});
  const go = h("button", {type: "button", class: "main", onclick: () => send()}, "Send"), stop = h("button", {type: "button", onclick: () => state.running?.abort()}, "Stop");
  const again = h("button", {type: "button", onclick: () => regenerate()}, "Regenerate"), clear = h("button", {type: "button", onclick: () => { state.turns = []; redraw(true); }}, "New chat");
  place.append(h("h1", {}, "Chat"), settings, problem, about, talk, h("div", {class: "compose"}, text, h("div", {class: "row"}, go, stop, again, clear)));

  const redraw = whole => {
    const nodes = state.turns.map((turn, i) => !whole && i < state.turns.length - 1 ? talk.children[i] : turnNode(turn));
    talk.replaceChildren(...nodes);
    const busy = state.running !== null;
    talk.setAttribute("aria-busy", String(busy));
    stop.disabled = !busy;
    go.disabled = busy;
    again.disabled = busy || state.turns.at(-1)?.role !== "assistant";
    clear.disabled = busy || state.turns.length === 0;
    talk.lastElementChild?.scrollIntoView({block: "nearest"});
  };
  const send = () => {
    const content = text.value.trim();
    if (!content || state.running) return;
    text.value = "";
    state.turns.push({role: "user", content});
    generate(redraw);
  };
  const regenerate = () => {
    if (state.running) return;
    state.turns.pop();
    generate(redraw);
  };
  const onKey = event => { if (event.key === "Escape") state.running?.abort(); };
  document.addEventListener("keydown", onKey);
  ask("/v1/models").then(list => {
    const names = list.data.map(model => model.id);
    if (!names.includes(state.model)) state.model = names[0];
    const chosen = () => { about.textContent = list.data.find(model => model.id === state.model).waferline?.description ?? ""; };
    settings.replaceChildren(settingsNode(names, chosen));
    chosen();
  }).catch(error => { problem.textContent = error.message; });
  redraw(true);
  return () => document.removeEventListener("keydown", onKey);
}
