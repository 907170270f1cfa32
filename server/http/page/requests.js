// Requests: those in flight and the last that ended; one request's life as a waterfall; abort.
import {h, setText, swatch} from "./dom.js";
import {count, ms} from "./format.js";
import {feed, watch} from "./feed.js";
import {ask} from "./api.js";

const PHASES = [["queue", "--s3"], ["prefill", "--s1"], ["transfer", "--s2"], ["decode", "--s0"]];
const NAMES = {queue: "queue", prefill: "prefill", transfer: "hand-off", decode: "decode"};

// [start, end] of each phase since arrival, in milliseconds; what it is in now reaches to `now`.
export function spans(request, now) {
  const lasted = [...request.phases_ms], at = PHASES.findIndex(([name]) => name === request.phase);
  if (!request.end) lasted[at] += Math.max(0, now - request.since_ms);
  let start = 0;
  return lasted.map(length => [start, start += length]);
}

function waterfall(request, now) {
  const all = spans(request, now), total = Math.max(all.at(-1)[1], 1e-6);
  const rows = PHASES.flatMap(([name, hue], i) => {
    const [start, end] = all[i], fill = h("i");
    fill.style.left = `${100 * start / total}%`;
    fill.style.width = `${100 * (end - start) / total}%`;
    fill.style.background = `var(${hue})`;
    return [h("span", {}, NAMES[name]), h("div", {class: "track"}, fill), h("span", {class: "number"}, ms(end - start))];
  });
  return h("div", {class: "waterfall", role: "img", "aria-label": PHASES.map(([name], i) => `${NAMES[name]} ${ms(all[i][1] - all[i][0])}`).join(", ")}, rows);
}

function detail(request, now, abort) {
  if (!request) return [h("p", {class: "soft"}, "Choose a request to see its life: queue, prefill, hand-off, decode.")];
  const total = spans(request, now).at(-1)[1], after = total - (request.first_token_ms - request.arrival_ms);
  const speed = request.tokens > 1 && after > 0 ? (request.tokens - 1) / after * 1e3 : NaN;
  const facts = [["model", request.model], ["tenant", request.tenant || "none"], ["prompt", `${count(request.prompt_tokens)} tokens`],
                 ["answer", `${count(request.tokens)} of at most ${count(request.max_tokens)} tokens`],
                 ["first token", request.first_token_ms === undefined ? "none yet" : ms(request.first_token_ms - request.arrival_ms)],
                 ["in all", ms(total)], ["speed", Number.isFinite(speed) ? `${count(speed)} tokens/s after the first, emulated` : "–"], ["restarts", String(request.restarts)],
                 ["late tokens", request.late_tokens ? `${count(request.late_tokens)} over 1 ms, at most ${ms(request.max_lateness_ms)}` : "none over 1 ms"]];
  if (request.why) facts.push(["why", request.why]);
  return [h("h2", {}, nameOf(request) || "a request"), h("p", {}, h("span", {class: "badge " + stateOf(request)[0]}, stateOf(request)[1])), waterfall(request, now),
          h("table", {}, h("tbody", {}, facts.map(([name, value]) => h("tr", {}, h("th", {scope: "row"}, name), h("td", {class: "number"}, value))))),
          request.end ? null : h("p", {}, h("button", {type: "button", class: "danger", onclick: () => abort(request)}, "Abort"))];
}

function stateOf(request) {
  if (!request.end) return ["good", NAMES[request.phase]];
  return [["stop", "length"].includes(request.end) ? "" : "bad", request.end];
}

const keyOf = request => `${request.model} ${request.ordinal} ${request.id}`;
const nameOf = request => request.choice === undefined ? request.id : `${request.id} choice ${request.choice}`;
const COLUMNS = [["Request"], ["State"], ["Model"], ["Prompt", "n"], ["Tokens", "n"], ["First token", "n"], ["Time", "n"], ["Restarts", "n"]];

export function show(place) {
  let chosen = "", filter = "";
  const rows = h("tbody"), side = h("div", {class: "card"}), says = h("p", {class: "soft", role: "status"});
  const search = h("input", {type: "search", placeholder: "id, model, tenant or state", "aria-label": "Filter", oninput: () => { filter = search.value.toLowerCase(); update(); }});
  place.append(h("div", {class: "row"}, h("h1", {}, "Requests"), search, h("span", {class: "legend"}, PHASES.map(([name, hue]) => h("span", {}, swatch(hue), NAMES[name])))), says,
    h("div", {class: "split"}, h("div", {class: "card scroll"}, h("table", {}, h("thead", {}, h("tr", {}, COLUMNS.map(([name, kind]) => h("th", {class: kind, scope: "col"}, name)))), rows)), side));

  const abort = async request => {
    try {
      const {aborted} = await ask("/admin/abort", {request_id: request.id, tenant: request.tenant});
      says.textContent = aborted ? `aborted ${request.id}` : `${request.id} had ended already`;
    } catch (error) { says.textContent = error.message; }
  };
  const choose = key => { chosen = key; update(); };
  const made = new Map();  // rows by request: one stays the same element and in its place, so that a slow click meets it
  const make = key => h("tr", {class: "pick", tabindex: "0", onclick: () => choose(key),
                               onkeydown: event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(key); } }},
    COLUMNS.map(([name, kind]) => h("td", {class: kind}, name === "State" ? h("span") : "")));
  const row = (request, now) => {
    const key = keyOf(request), [kind, state] = stateOf(request);
    if (!made.has(key)) made.set(key, make(key));
    const line = made.get(key), badge = line.cells[1].firstChild;
    const first = request.first_token_ms === undefined ? "–" : ms(request.first_token_ms - request.arrival_ms);
    const texts = [nameOf(request) || "–", state, request.model, count(request.prompt_tokens), `${count(request.tokens)} / ${count(request.max_tokens)}`, first,
                   ms(spans(request, now).at(-1)[1]), String(request.restarts)];
    texts.forEach((text, i) => setText(i === 1 ? badge : line.cells[i], text));
    badge.className = "badge " + kind;
    line.setAttribute("aria-selected", String(key === chosen));
    return line;
  };
  const update = () => {
    if (!feed.now) return;
    const nows = new Map(feed.now.models.map(model => [model.model, model.now_ms])), all = feed.now.requests;
    const now = request => nows.get(request.model) ?? 0;
    const shown = all.filter(one => !filter || `${one.id} ${one.model} ${one.tenant} ${stateOf(one)[1]}`.toLowerCase().includes(filter));
    shown.sort((a, b) => Boolean(a.end) - Boolean(b.end));  // what runs comes first, of whatever model
    const lines = shown.map(one => row(one, now(one))), kept = new Set(lines);
    for (const [key, line] of made) if (!kept.has(line)) made.delete(key);
    for (const line of [...rows.children]) if (!kept.has(line)) line.remove();
    const focused = document.activeElement;  // an element that moves loses it
    lines.forEach((line, i) => { if (rows.children[i] !== line) rows.insertBefore(line, rows.children[i] ?? null); });
    if (kept.has(focused)) focused.focus();
    if (shown.length === 0) rows.append(h("tr", {}, h("td", {colspan: COLUMNS.length, class: "soft"}, all.length ? "none is like that" : "no request has come yet")));
    const one = all.find(request => keyOf(request) === chosen);
    side.replaceChildren(...detail(one, one ? now(one) : 0, abort).filter(Boolean));
  };
  update();
  return watch(update);
}
