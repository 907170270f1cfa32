// A stacked bar chart over days as SVG: days of [label, [[name, value, colour]]].
import {s} from "./dom.js";

const WIDTH = 560, HEIGHT = 180, LEFT = 64, RIGHT = 20, CHARACTER = 7, TOP = 10, BOTTOM = 22;

export function barChart(title) {
  const body = s("g"), label = s("title", {}, title);
  const svg = s("svg", {class: "chart bars", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img"}, label, body);
  const draw = (days, format) => {
    const sums = days.map(([, parts]) => parts.reduce((sum, [, value]) => sum + value, 0));
    const most = Math.max(...sums, 0), top = most || 1, marks = [0, 0.5, 1].map(share => [share, most ? format(share * top) : ""]);
    const left = Math.max(LEFT, 12 + CHARACTER * Math.max(...marks.map(([, text]) => text.length))), wide = (WIDTH - left - RIGHT) / Math.max(1, days.length);
    const tall = value => (HEIGHT - TOP - BOTTOM) * value / top;
    const parts = marks.flatMap(([share, text]) => [
      s("line", {class: "axis", x1: left, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM - tall(share * top), y2: HEIGHT - BOTTOM - tall(share * top)}),
      s("text", {x: left - 6, y: HEIGHT - BOTTOM - tall(share * top) + 4, "text-anchor": "end"}, text)]);
    days.forEach(([day, pieces], i) => {
      let y = HEIGHT - BOTTOM;
      for (const [name, value, colour] of pieces) {
        if (value <= 0) continue;
        y -= tall(value);
        parts.push(s("rect", {x: left + i * wide + wide * 0.1, y, width: wide * 0.8, height: tall(value), fill: colour}, s("title", {}, `${day}, ${name}: ${format(value)}`)));
      }
      const each = Math.ceil(days.length / 7);
      if ((days.length - 1 - i) % each === 0) parts.push(s("text", {x: left + (i + 0.5) * wide, y: HEIGHT - 6, "text-anchor": "middle"}, day.slice(5)));
    });
    if (!most) parts.push(s("text", {x: WIDTH / 2, y: HEIGHT / 2, "text-anchor": "middle"}, "nothing in this time"));
    body.replaceChildren(...parts);
    label.textContent = most ? `${title}: ${format(sums.at(-1))} today, at most ${format(most)} a day` : `${title}: nothing in this time`;
  };
  return {svg, draw};
}
