// Traffic: what came out and how late, over the last minute or quarter of an hour, by model or by tenant.
import {h, swatch} from "./dom.js";
import {count, ms} from "./format.js";
import {feed, rateNow, watch} from "./feed.js";
import {colour, lineChart} from "./chart.js";

const POINTS = 240;  // drawn of a line at most

const CHARTS = [
  {title: "Tokens a second", note: "host time", of: one => one.rate, format: count},
  {title: "Time to the first token", note: "emulated, median", of: one => one.ttft && one.ttft[0], format: ms},
  {title: "Between two tokens", note: "emulated, median", of: one => one.gap && one.gap[0], format: ms},
  {title: "Between two tokens, worst", note: "emulated, p99", of: one => one.gap && one.gap[1], format: ms},
  {title: "Lateness", note: "host time after its instant, median", of: one => one.late && one.late[0], format: ms, byModel: true},
  {title: "Lateness, worst", note: "host time, p99", of: one => one.late && one.late[1], format: ms, byModel: true},
  {title: "Waiting", note: "requests before prefill", of: one => one.waiting, format: count},
  {title: "Running", note: "in prefill, hand-off or decode", of: one => one.running, format: count},
];

const MOST_LINES = 8;

// Latencies of several models as one: their means, weighted by how many there were.
function mixed(all) {
  const known = all.filter(Boolean), n = known.reduce((sum, [, , count]) => sum + count, 0);
  return n > 0 ? [...[0, 1].map(i => known.reduce((sum, one) => sum + one[i] * one[2], 0) / n), n] : null;
}

// What a tenant did of these models, as one.
export function tenantOf(models, names, tenant) {
  const all = names.map(name => models[name]?.tenants[tenant]).filter(Boolean);
  if (all.length < 2) return all[0];
  const sum = key => all.reduce((total, one) => total + one[key], 0);
  return {rate: sum("rate"), waiting: sum("waiting"), running: sum("running"), ttft: mixed(all.map(one => one.ttft)), gap: mixed(all.map(one => one.gap))};
}

// One value for each of at most POINTS stretches of the span: the mean of what is known in it. `pick` takes a line's part of a look's models.
export function pointsOf(history, pick, span, of) {
  const now = history.at(-1)?.at ?? 0, each = Math.max(span / POINTS, 0.5), slots = new Map();
  for (const {at, models} of history) {
    const age = (now - at) / 1e3, one = age > span ? undefined : pick(models);
    if (!one) continue;
    const slot = Math.floor(age / each), value = of(one);
    const sum = slots.get(slot) ?? {total: 0, n: 0};
    if (value !== null && value !== undefined) { sum.total += value; ++sum.n; }
    slots.set(slot, sum);
  }
  return [...slots.entries()].sort(([a], [b]) => b - a).map(([slot, {total, n}]) => [slot * each, n ? total / n : null]);
}

// The tenants of these models, those with the most tokens first.
function tenantsOf(models) {
  const tokens = new Map();
  for (const model of models) for (const one of model.tenants) tokens.set(one.tenant, (tokens.get(one.tenant) ?? 0) + one.tokens);
  return [...tokens.entries()].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([name]) => name);
}

// What lines show: a name, and its part of a look.
const modelLines = models => models.map(({model}) => ({name: model, pick: looked => looked[model]}));
const tenantLines = models => tenantsOf(models).slice(0, MOST_LINES).map(tenant => ({name: tenant || "no tenant",
  pick: looked => tenantOf(looked, models.map(({model}) => model), tenant)}));

export function show(place) {
  let span = 60, only = "", byTenant = false;
  const ranges = [[60, "60 s"], [900, "15 min"]].map(([seconds, text]) => h("button", {type: "button", "aria-pressed": String(seconds === span),
    onclick: event => { span = seconds; for (const one of ranges) one.setAttribute("aria-pressed", String(one === event.currentTarget)); update(); }}, text));
  const kinds = [[false, "by model"], [true, "by tenant"]].map(([value, text]) => h("button", {type: "button", "aria-pressed": String(value === byTenant),
    onclick: event => { byTenant = value; for (const one of kinds) one.setAttribute("aria-pressed", String(one === event.currentTarget)); update(); }}, text));
  const choice = h("select", {"aria-label": "Model", onchange: () => { only = choice.value; update(); }}, h("option", {value: ""}, "all models"));
  const legend = h("div", {class: "legend"}), figures = h("div", {class: "figures"});
  const charts = CHARTS.map(chart => ({...chart, ...lineChart(chart.title)}));
  for (const chart of charts) chart.card = h("div", {class: "card"}, h("b", {}, chart.title), " ", h("span", {class: "soft"}, chart.note), chart.svg);
  place.append(h("div", {class: "row"}, h("h1", {}, "Traffic"), ranges, kinds, choice), figures, legend,
    h("div", {class: "grid"}, charts.map(chart => chart.card)));

  const names = () => (feed.now?.models ?? []).map(model => model.model);
  const update = () => {
    if (!feed.now) return;
    if (choice.options.length !== names().length + 1) {
      choice.replaceChildren(h("option", {value: ""}, "all models"), ...names().map(name => h("option", {value: name}, name)));
    }
    // A model keeps its colour when it is shown alone.
    const lines = byTenant ? tenantLines(feed.now.models.filter(model => !only || model.model === only)) : modelLines(feed.now.models);
    const shown = lines.map((line, i) => ({...line, colour: colour(i)})).filter(one => byTenant || !only || one.name === only);
    legend.replaceChildren(...shown.map(one => h("span", {}, swatch(one.colour), one.name)));
    for (const chart of charts) {
      chart.card.hidden = byTenant && Boolean(chart.byModel);
      if (!chart.card.hidden) chart.draw(shown.map(one => ({points: pointsOf(feed.history, one.pick, span, chart.of), colour: one.colour})), span, chart.format);
    }
    const all = feed.now;
    const show = [[count(rateNow(only)), "tokens a second"], [count(all.tokens), "tokens since the start"], [count(all.in_flight), "requests in flight"],
                  [count(all.finished), "finished"], [count(all.refused), "refused"], [ms(all.now_ms), "of emulated time"]];
    figures.replaceChildren(...show.map(([value, what]) => h("div", {}, h("b", {}, value), h("span", {}, what))));
  };
  update();
  return watch(update);
}
