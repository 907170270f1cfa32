// Traffic: what came out and how late, over the last minute or quarter of an hour, by model.
import {h, swatch} from "./dom.js";
import {count, ms} from "./format.js";
import {feed, rateNow, watch} from "./feed.js";
import {colour, lineChart} from "./chart.js";

const POINTS = 240;  // drawn of a line at most

const CHARTS = [
  {title: "Tokens a second", note: "host time", of: one => one.rate, format: count},
  {title: "Time to the first token", note: "emulated, median of each half second", of: one => one.ttft && one.ttft[0], format: ms},
  {title: "Between two tokens", note: "emulated, median", of: one => one.gap && one.gap[0], format: ms},
  {title: "Between two tokens, worst", note: "emulated, 99th percentile", of: one => one.gap && one.gap[1], format: ms},
  {title: "Waiting", note: "requests before prefill", of: one => one.waiting, format: count},
  {title: "Running", note: "in prefill, hand-off or decode", of: one => one.running, format: count},
];

// One value for each of at most POINTS stretches of the span: the mean of what is known in it.
export function pointsOf(history, model, span, of) {
  const now = history.at(-1)?.at ?? 0, each = Math.max(span / POINTS, 0.5), slots = new Map();
  for (const {at, models} of history) {
    const age = (now - at) / 1e3;
    if (age > span || !models[model]) continue;
    const slot = Math.floor(age / each), value = of(models[model]);
    const sum = slots.get(slot) ?? {total: 0, n: 0};
    if (value !== null && value !== undefined) { sum.total += value; ++sum.n; }
    slots.set(slot, sum);
  }
  return [...slots.entries()].sort(([a], [b]) => b - a).map(([slot, {total, n}]) => [slot * each, n ? total / n : null]);
}

export function show(place) {
  let span = 60, only = "";
  const ranges = [[60, "60 s"], [900, "15 min"]].map(([seconds, text]) => h("button", {type: "button", "aria-pressed": String(seconds === span),
    onclick: event => { span = seconds; for (const one of ranges) one.setAttribute("aria-pressed", String(one === event.currentTarget)); update(); }}, text));
  const choice = h("select", {"aria-label": "Model", onchange: () => { only = choice.value; update(); }}, h("option", {value: ""}, "all models"));
  const legend = h("div", {class: "legend"}), figures = h("div", {class: "figures"});
  const charts = CHARTS.map(chart => ({...chart, ...lineChart(chart.title)}));
  place.append(h("div", {class: "row"}, h("h1", {}, "Traffic"), ranges, choice), figures, legend,
    h("div", {class: "grid"}, charts.map(chart => h("div", {class: "card"}, h("b", {}, chart.title), " ", h("span", {class: "soft"}, chart.note), chart.svg))));

  const names = () => (feed.now?.models ?? []).map(model => model.model);
  const update = () => {
    if (!feed.now) return;
    if (choice.options.length !== names().length + 1) {
      choice.replaceChildren(h("option", {value: ""}, "all models"), ...names().map(name => h("option", {value: name}, name)));
    }
    const shown = names().map((name, i) => ({name, colour: colour(i)})).filter(one => !only || one.name === only);
    legend.replaceChildren(...shown.map(one => h("span", {}, swatch(one.colour), one.name)));
    for (const chart of charts) {
      chart.draw(shown.map(one => ({points: pointsOf(feed.history, one.name, span, chart.of), colour: one.colour})), span, chart.format);
    }
    const all = feed.now;
    const show = [[count(rateNow(only)), "tokens a second"], [count(all.tokens), "tokens since the start"], [count(all.in_flight), "requests in flight"],
                  [count(all.finished), "finished"], [count(all.refused), "refused"], [ms(all.now_ms), "of emulated time"]];
    figures.replaceChildren(...show.map(([value, what]) => h("div", {}, h("b", {}, value), h("span", {}, what))));
  };
  update();
  return watch(update);
}
