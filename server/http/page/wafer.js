// One wafer as it is: dies, rows that repair switched off, defects, and the regions of the model's stages on it.
import {s} from "./dom.js";
import {percent} from "./format.js";

const SIDE = 1000;
const DOTS = 10;  // tokens drawn along a pipeline at most

function dieLines([columns, rows]) {
  const lines = [];
  for (let c = 1; c < columns; ++c) lines.push(s("line", {class: "die", x1: SIDE * c / columns, x2: SIDE * c / columns, y1: 0, y2: SIDE}));
  for (let r = 1; r < rows; ++r) lines.push(s("line", {class: "die", x1: 0, x2: SIDE, y1: SIDE * r / rows, y2: SIDE * r / rows}));
  return lines;
}

// A dead core, and what its repair switches off with it: its row of the die or of the wafer.
function defect([column, row, link], unit) {
  const [columns, rows] = unit.grid, x = SIDE * (column + 0.5) / columns, y = SIDE * (row + 0.5) / rows;
  const dot = s("circle", {class: link ? "wire" : "core", cx: x, cy: y, r: 6}, s("title", {}, `${link ? "dead link" : "dead core"} at column ${column}, row ${row}`));
  if (link || unit.repair === "core") return [dot];
  const die = Math.min(unit.dies[0] - 1, Math.floor(column * unit.dies[0] / columns));
  const [from, to] = unit.repair === "row-of-wafer" ? [0, SIDE] : [SIDE * die / unit.dies[0], SIDE * (die + 1) / unit.dies[0]];
  return [s("line", {class: "off", x1: from, x2: to, y1: y, y2: y}), dot];
}

function boxOf(stage, unit) {
  const [c, r, columns, rows] = stage.region, [mx, my] = unit.mesh;
  return {x: SIDE * c / mx, y: SIDE * r / my, width: SIDE * columns / mx, height: SIDE * rows / my};
}

function cellOf(stage, unit, named) {
  const box = boxOf(stage, unit), tip = s("title", {});
  const rect = s("rect", {class: "cell", ...box}, tip);
  const name = named && box.width > 60 && box.height > 44 ? s("text", {x: box.x + box.width / 2, y: box.y + box.height / 2 + 12}, stage.label) : null;
  return {rect, tip, name, label: stage.label};
}

// Tokens under way, as dots along the stages' centres.
function tokenPath(stages, unit) {
  return stages.map((stage, i) => {
    const box = boxOf(stage, unit);
    return `${i ? "L" : "M"}${(box.x + box.width / 2).toFixed(0)} ${(box.y + box.height / 2).toFixed(0)}`;
  }).join("");
}

function tokenDots(path) {
  return Array.from({length: DOTS}, (_, i) => s("circle", {class: "token", r: 9, visibility: "hidden"},
    s("animateMotion", {dur: "4s", begin: `${(-4 * i / DOTS).toFixed(2)}s`, repeatCount: "indefinite", path})));
}

// `stages`: the regions on this place, each with the `stage` of the pipeline that it belongs to.
export function drawWafer(unit, place, stages) {
  const wafer = unit.wafers[place] ?? {defects: []};
  const cells = stages.map(stage => cellOf(stage, unit, true));
  const dots = tokenDots(tokenPath(stages, unit)), name = `${unit.name}, wafer ${place + 1} of ${unit.places}`;
  const title = s("title", {}, name);
  const svg = s("svg", {class: "wafer", viewBox: `-10 -10 ${SIDE + 20} ${SIDE + 20}`, role: "img"}, title,
    cells.map(cell => cell.rect), dieLines(unit.dies), wafer.defects.flatMap(one => defect(one, unit)),
    cells.map(cell => cell.name), dots, s("rect", {class: "edge", x: 0, y: 0, width: SIDE, height: SIDE}));
  // busy: share of the time in which each stage of the pipeline worked; running: sequences on the unit.
  const update = (busy, live) => {
    svg.classList.toggle("dead", !live.alive);
    stages.forEach((stage, i) => {
      const share = live.alive ? busy[stage.stage] ?? 0 : 0, slow = live.slow_stages[stage.stage] > 1;
      const ink = slow ? "var(--bad)" : "var(--accent)";
      cells[i].rect.style.fill = `color-mix(in srgb, ${ink} ${Math.round(share > 0 ? 18 + 82 * share : slow ? 40 : 0)}%, var(--idle))`;
      cells[i].tip.textContent = `${stage.label === "emb" ? "embedding" : stage.label === "out" ? "output" : "layer " + stage.label}: busy ${percent(share)} of the time`;
    });
    const moving = live.alive ? Math.min(DOTS, live.running) : 0;
    dots.forEach((dot, i) => dot.setAttribute("visibility", i < moving && busy.some(share => share > 0) ? "visible" : "hidden"));
    title.textContent = name + (live.alive ? "" : ": lost");
  };
  return {svg, update, wafer};
}
