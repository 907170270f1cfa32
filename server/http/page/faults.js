// Faults: break or repair a part with two clicks, and watch the recovery.
import {h, setText} from "./dom.js";
import {clock, count, shortName} from "./format.js";
import {feed, rateNow, watch} from "./feed.js";
import {colour, lineChart} from "./chart.js";
import {pointsOf} from "./traffic.js";
import {ask} from "./api.js";

// What each kind of part can suffer: [text, fault and its fields, whether it breaks something].
const ON_WAFER = [["A core fails", {fault: "core"}, true], ["A row of cores fails", {fault: "row"}, true], ["A die fails", {fault: "die"}, true], ["A wafer fails", {fault: "wafer"}, true],
                  ["Heat: 70 % of the clock", {fault: "thermal", clock_share: 0.7}, true]];
const ON_SPLIT = [["Attention half as fast", {fault: "attention_side", factor: 2}, true], ["Feed-forward half as fast", {fault: "ffn_side", factor: 2}, true], ["A link between the sides fails", {fault: "off_wafer_link"}, true]];
const ON_UNIT = [["Lose it", {fault: "unit_lost"}, true], ["Twice as slow", {fault: "unit_slow", factor: 2}, true], ["Link at a tenth", {fault: "link_speed", factor: 0.1}, true], ["Link down", {fault: "link_speed", factor: 0}, true]];
const ON_WORKER = [["Lose it", {fault: "worker_lost"}, true], ["Twice as slow", {fault: "worker_slow", factor: 2}, true]];
const REPAIR_UNIT = [{fault: "unit_back"}, {fault: "unit_slow", factor: 1}, {fault: "link_speed", factor: 1}];
const REPAIR_WORKER = [{fault: "worker_back"}, {fault: "worker_slow", factor: 1}];

function conditionOf(part) {
  if (!part.alive) return ["bad", "lost"];
  if (part.reachable === false) return ["bad", "cannot be reached"];
  if (part.slowdown > 1) return ["warn", `${part.slowdown.toFixed(2)}x slow`];
  if (part.link_share < 1) return ["warn", "slow link"];
  return ["good", "healthy"];
}

function partsOf(look) {
  return look.models.flatMap(model => [
    ...model.workers.map((part, index) => ({model: model.model, kind: "worker", index, part})),
    ...model.units.map((part, index) => ({model: model.model, kind: "unit", index, part}))]);
}

const isOf = (kind, name) => (feed.layout?.models ?? []).some(model => model.units.some(unit => unit.name === name && unit.kind === kind));
const special = name => isOf("wafer", name) ? ON_WAFER : isOf("split", name) ? ON_SPLIT : [];
const repairUnit = name => isOf("split", name) ? [...REPAIR_UNIT, {fault: "attention_side", factor: 1}, {fault: "ffn_side", factor: 1}] : REPAIR_UNIT;

export function show(place) {
  let chosen = null;
  const parts = h("div", {class: "parts"}), actions = h("div", {class: "card"}), log = h("ul", {class: "log", "aria-live": "polite"}), says = h("p", {role: "status"});
  const speed = h("b", {class: "number"}), chart = lineChart("Tokens a second, last minute");
  place.append(h("h1", {}, "Faults"), h("p", {class: "soft"}, "Choose a part, then what happens to it. A lost unit takes its KV with it; its requests are prefilled again elsewhere, or wait until it is back."), says,
    h("div", {class: "split"}, h("div", {}, h("div", {class: "card"}, h("h2", {}, "Parts"), parts)), h("div", {class: "stack"}, actions,
      h("div", {class: "card"}, h("h2", {}, "Recovery"), h("p", {}, speed, h("span", {class: "soft"}, " tokens a second now; red lines: something broke or came back")), chart.svg),
      h("div", {class: "card"}, h("h2", {}, "What happened"), log))));

  const send = async (text, orders) => {
    const refused = [];
    for (const order of orders) {
      try { await ask("/admin/faults", {model: chosen.model, index: chosen.index, ...order}); } catch (error) { refused.push(error.message); }
    }
    says.textContent = refused.length < orders.length ? `${text}: ${shortName(chosen.name)} of ${chosen.model}` : refused[0];
  };
  const drawActions = () => {
    if (!chosen) return actions.replaceChildren(h("h2", {}, "What happens"), h("p", {class: "soft"}, "No part is chosen."));
    const unit = chosen.kind === "unit", list = unit ? [...ON_UNIT, ...special(chosen.name)] : ON_WORKER;
    actions.replaceChildren(h("h2", {}, shortName(chosen.name), h("span", {class: "soft"}, ` of ${chosen.model}`)),
      h("div", {class: "row"}, h("button", {type: "button", class: "main", onclick: () => send("Repaired", unit ? repairUnit(chosen.name) : REPAIR_WORKER)}, "Repair"),
        list.map(([text, order]) => h("button", {type: "button", class: "danger", onclick: () => send(text, [order])}, text))));
  };
  const choose = part => { chosen = {...part, name: part.part.name}; drawActions(); update(); actions.scrollIntoView({block: "nearest"}); };
  const buttons = new Map();
  const update = () => {
    if (!feed.now) return;
    const all = partsOf(feed.now);
    if (buttons.size !== all.length) {
      buttons.clear();
      for (const one of all) {
        const state = h("span", {class: "badge"});
        buttons.set(one.part.name, {state, node: h("button", {type: "button", class: "part", "data-part": one.part.name, onclick: () => choose(one)}, h("span", {}, `${one.model} / ${shortName(one.part.name)}`), state)});
      }
      parts.replaceChildren(...[...buttons.values()].map(one => one.node));
    }
    for (const {part} of all) {
      const {state, node} = buttons.get(part.name), [kind, text] = conditionOf(part);
      state.className = "badge " + kind;
      setText(state, text);
      node.setAttribute("aria-pressed", String(part.name === chosen?.name));
    }
    setText(speed, count(rateNow()));
    const now = Date.now(), marks = feed.events.map(event => (now - event.at) / 1e3);
    chart.draw(feed.now.models.map((model, i) => ({points: pointsOf(feed.history, looked => looked[model.model], 60, one => one.rate), colour: colour(i)})), 60, count, marks);
    log.replaceChildren(...(feed.events.length ? feed.events.map(event => h("li", {}, h("span", {class: "soft number"}, clock(event.at) + " "), h("span", {class: event.bad ? "badge bad" : "badge good"}, event.bad ? "fault" : "repair"), " ", event.text))
      : [h("li", {class: "soft"}, "Nothing has broken while this page is open.")]));
  };
  drawActions();
  update();
  return watch(update);
}
