// The cloud: each model's prefill pool, its links, and its wafers.
import {h, setClass, setText, swatch} from "./dom.js";
import {bytes, count, ms, percent, shortName} from "./format.js";
import {feed, rateNow, watch} from "./feed.js";
import {drawWafer} from "./wafer.js";

const MOST_UNITS = 16;   // drawn of one model
const MOST_PLACES = 12;  // drawn of one unit

function bar(label) {
  const fills = [h("i"), h("i", {class: "second"})];
  const text = h("span", {class: "soft number"});
  const update = (shares, says) => {
    fills.forEach((fill, i) => { fill.style.width = `${Math.min(100, 100 * (shares[i] ?? 0))}%`; });
    setText(text, says);
  };
  return {node: h("div", {}, h("span", {class: "soft"}, label + " "), text, h("div", {class: "bar", role: "presentation"}, fills)), update};
}

function workerBox(worker) {
  const state = h("span", {class: "badge"}), pending = h("div", {class: "soft number"});
  const node = h("div", {class: "worker"}, h("b", {}, shortName(worker.name)), " ", state, pending);
  const update = live => {
    setClass(node, "lost", !live.alive);
    setClass(node, "busy", live.alive && live.stepping);
    state.className = "badge " + (!live.alive ? "bad" : live.slowdown > 1 ? "warn" : live.stepping ? "good" : "");
    setText(state, !live.alive ? "lost" : live.slowdown > 1 ? `${live.slowdown.toFixed(2)}x slow` : live.stepping ? "computing" : "idle");
    setText(pending, `${count(live.pending_tokens)} tokens to do`);
  };
  return {node, update};
}

// Share of the emulated time since the look before in which each stage worked.
function busyShares(model, unit) {
  const was = feed.before?.models.find(one => one.model === model.model);
  const old = was?.units.find(one => one.name === unit.name);
  const span = was ? (model.now_ms - was.now_ms) * 1e3 : 0;
  return unit.stage_busy_us.map((busy, i) => old && span > 0 ? Math.min(1, Math.max(0, (busy - old.stage_busy_us[i]) / span)) : 0);
}

function stateOf(unit) {
  if (!unit.alive) return ["bad", "lost"];
  if (!unit.reachable) return ["bad", "cannot be reached"];
  if (unit.slowdown > 1) return ["warn", `${unit.slowdown.toFixed(2)}x slow`];
  if (unit.slow_stages.some(factor => factor > 1)) return ["warn", "slow stage"];
  if (unit.link_share < 1) return ["warn", `link at ${percent(unit.link_share)}`];
  return unit.running > 0 ? ["good", "decoding"] : ["", "idle"];
}

function wafersOf(unit, stages) {
  if (unit.kind !== "wafer") return [];
  const shown = Math.min(unit.places, MOST_PLACES);
  return Array.from({length: shown}, (_, place) =>
    drawWafer(unit, place, stages.filter(stage => stage.place === place)));
}

function unitCard(unit, stages) {
  const state = h("span", {class: "badge"}), kv = bar("KV"), slots = bar("slots"), link = h("div", {class: "soft number"});
  const wafers = wafersOf(unit, stages);
  const defects = wafers.reduce((sum, one) => sum + (one.wafer.dead_cores ?? 0), 0), spares = wafers.reduce((sum, one) => sum + (one.wafer.spares_used ?? 0), 0);
  const about = unit.kind === "wafer"
    ? `${unit.places * unit.tensor} × ${unit.hardware}` + (wafers.length < unit.places ? `, ${wafers.length} drawn` : "") + `; ${defects} dead cores, ${spares} spare rows in use`
    : unit.hardware;
  const node = h("article", {class: "card unit", "data-unit": unit.name}, h("div", {class: "row"}, h("b", {}, shortName(unit.name)), state),
    h("div", {class: "wafers"}, wafers.map(wafer => wafer.svg)), kv.node, slots.node, link, h("div", {class: "soft"}, about));
  const update = (model, live) => {
    const [kind, text] = stateOf(live), [used, cached, capacity] = live.pages, busy = busyShares(model, live);
    state.className = "badge " + kind;
    setText(state, text);
    setClass(node, "lost", !live.alive);
    kv.update([used / capacity, cached / capacity], `${count(used)} of ${count(capacity)} pages${cached ? `, ${count(cached)} cached` : ""}`);
    slots.update([live.running / live.slots], `${live.running} of ${live.slots}`);
    setText(link, live.backlog_bytes > 0 ? `${bytes(live.backlog_bytes)} of KV on the link` : "link idle");
    for (const wafer of wafers) wafer.update(busy, live);
  };
  return {node, update};
}

function modelSection(layout) {
  const numbers = h("div", {class: "figures"}), arrow = h("div", {class: "arrow", "aria-hidden": "true"}, "→");
  let group = [];
  const units = layout.units.slice(0, MOST_UNITS).map(unit => {
    group = unit.stages ?? group;  // only the first unit of a kind says where its stages lie
    return unitCard(unit, group);
  });
  const pool = h("div", {class: "workers"});
  const workers = [];
  const more = layout.units.length > MOST_UNITS ? h("p", {class: "soft"}, `and ${layout.units.length - MOST_UNITS} more units`) : null;
  const node = h("section", {"data-model": layout.model},
    h("h1", {}, layout.model, " ", h("span", {class: layout.computed ? "badge good" : "badge"}, layout.computed ? "computed" : "stand-in text")),
    h("p", {class: "soft"}, layout.label), numbers,
    h("div", {class: "flow"}, h("div", {}, h("h2", {}, "Prefill pool"), pool), arrow, h("div", {}, h("h2", {}, "Decode"), h("div", {class: "units"}, units.map(unit => unit.node)), more)));
  const update = model => {
    if (workers.length === 0) {
      workers.push(...model.workers.map(workerBox));
      pool.replaceChildren(...workers.map(worker => worker.node));
    }
    model.workers.forEach((worker, i) => workers[i].update(worker));
    units.forEach((unit, i) => unit.update(model, model.units[i]));
    setClass(arrow, "bad", model.units.every(unit => !unit.reachable || unit.link_share === 0));
    const show = [[count(rateNow(model.model)), "tokens a second"], [String(model.waiting), "waiting"], [String(model.prefilling), "in prefill"],
                  [String(model.transferring), "in hand-off"], [String(model.decoding), "decoding"], model.expected_queue_ms === null ? ["–", "new requests cannot be served"] : [ms(model.expected_queue_ms), "a new request would wait"]];
    numbers.replaceChildren(...show.map(([value, what]) => h("div", {}, h("b", {}, value), h("span", {}, what))));
  };
  return {node, update};
}

export function show(place) {
  let sections = null, drawn = null;
  const legend = h("p", {class: "soft legend"}, h("span", {}, swatch("--idle"), "idle stage"), h("span", {}, swatch("--accent"), "busy stage"),
    h("span", {}, swatch("--bad"), "dead core, lost or slow part"), h("span", {}, swatch("--warn"), "dead link"));
  const body = h("div", {class: "models"}, h("p", {class: "soft"}, "waiting for the first look"));
  place.append(legend, body);
  const update = () => {
    if (!feed.layout || !feed.now) return;
    if (drawn !== feed.layout) {
      drawn = feed.layout;
      sections = drawn.models.map(modelSection);
      body.replaceChildren(...sections.map(section => section.node));
    }
    feed.now.models.forEach((model, i) => sections[i]?.update(model));
  };
  update();
  return watch(update);
}
