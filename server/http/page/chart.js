// A line chart over time as SVG: lines of [age in seconds (0 is now), value or null].
import {s} from "./dom.js";

const WIDTH = 560, HEIGHT = 180, LEFT = 56, RIGHT = 8, TOP = 10, BOTTOM = 22;

// 1, 2 or 5 times a power of ten, so that about four lie below `most`.
function step(most) {
  const raw = most / 4, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map(m => m * power).find(one => one >= raw);
}

function polylines(points, x, y, colour) {
  const runs = [[]];
  for (const [age, value] of points) {
    if (value === null) runs.push([]);
    else runs.at(-1).push(`${x(age).toFixed(1)},${y(value).toFixed(1)}`);
  }
  return runs.filter(run => run.length > 0).map(run =>
    run.length > 1 ? s("polyline", {points: run.join(" "), stroke: colour})
      : s("circle", {cx: run[0].split(",")[0], cy: run[0].split(",")[1], r: 1.8, fill: colour}));
}

export function lineChart(title) {
  const body = s("g"), label = s("title", {}, title);
  const svg = s("svg", {class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", preserveAspectRatio: "none"}, label, body);
  svg.setAttribute("preserveAspectRatio", "xMidYMid meet");
  // lines: [{points, colour}]; marks: ages in seconds.
  const draw = (lines, span, format, marks = []) => {
    const values = lines.flatMap(line => line.points.map(([, value]) => value)).filter(value => value !== null);
    const largest = Math.max(0, ...values), most = largest > 0 ? largest : 1, each = step(most), top = Math.ceil(most / each) * each;
    const x = age => LEFT + (WIDTH - LEFT - RIGHT) * (1 - age / span);
    const y = value => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value / top);
    const parts = [];
    for (let i = 0; i * each <= top * 1.0001; ++i) {
      parts.push(s("line", {class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(i * each), y2: y(i * each)}),
                 s("text", {x: LEFT - 6, y: y(i * each) + 4, "text-anchor": "end"}, values.length ? format(i * each) : ""));
    }
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const age = part * span;
      parts.push(s("text", {x: x(age), y: HEIGHT - 6, "text-anchor": part === 0 ? "end" : part === 1 ? "start" : "middle"},
                   age === 0 ? "now" : age >= 120 ? `-${age / 60} min` : `-${age} s`));
    }
    for (const age of marks) if (age <= span) parts.push(s("line", {class: "mark", x1: x(age), x2: x(age), y1: TOP, y2: HEIGHT - BOTTOM}));
    for (const line of lines) parts.push(...polylines(line.points, x, y, line.colour));
    if (values.length === 0) parts.push(s("text", {x: WIDTH / 2, y: HEIGHT / 2, "text-anchor": "middle"}, "nothing in this time"));
    body.replaceChildren(...parts);
    label.textContent = values.length ? `${title}: ${format(values.at(-1))} now, at most ${format(largest)}` : `${title}: nothing in this time`;
  };
  return {svg, draw};
}

// The colours of models or tenants, in their order.
export const colour = index => `var(--s${index % 8})`;
