// Markdown of a model's answer as elements. Safe by construction: text becomes text nodes, there is no HTML, and a link is http(s).
import {h} from "./dom.js";

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/;

export function inline(text) {
  const out = [];
  let rest = text;
  for (let match = INLINE.exec(rest); match; match = INLINE.exec(rest)) {
    if (match.index > 0) out.push(rest.slice(0, match.index));
    const [whole, code, bold, italic, label, url] = match;
    if (code !== undefined) out.push(h("code", {}, code));
    else if (bold !== undefined) out.push(h("strong", {}, bold));
    else if (italic !== undefined) out.push(h("em", {}, italic));
    else out.push(h("a", {href: url, rel: "noopener noreferrer nofollow", target: "_blank"}, label));
    rest = rest.slice(match.index + whole.length);
  }
  if (rest) out.push(rest);
  return out;
}

const BULLET = /^\s*[-*+] +(.*)$/, NUMBER = /^\s*\d+[.)] +(.*)$/, HEADING = /^(#{1,6}) +(.*)$/, QUOTE = /^> ?(.*)$/;
const starts = line => BULLET.test(line) || NUMBER.test(line) || HEADING.test(line) || QUOTE.test(line) || line.startsWith("```") || /^\s*$/.test(line);

function takeWhile(lines, test) {
  let n = 0;
  while (n < lines.length && test(lines[n])) ++n;
  return lines.splice(0, n);
}

const withBreaks = lines => lines.flatMap((line, i) => i ? [h("br"), ...inline(line)] : inline(line));

function block(lines) {
  const line = lines[0];
  if (line.startsWith("```")) {
    lines.shift();
    const code = takeWhile(lines, one => !one.startsWith("```"));
    lines.shift();
    return h("pre", {tabindex: "0"}, h("code", {}, code.join("\n")));
  }
  const heading = HEADING.exec(line);
  if (heading) {
    lines.shift();
    return h("h" + Math.min(6, heading[1].length + 2), {}, inline(heading[2]));
  }
  for (const [pattern, tag] of [[BULLET, "ul"], [NUMBER, "ol"]]) {
    if (pattern.test(line)) return h(tag, {}, takeWhile(lines, one => pattern.test(one)).map(one => h("li", {}, inline(pattern.exec(one)[1]))));
  }
  if (QUOTE.test(line)) return h("blockquote", {}, withBreaks(takeWhile(lines, one => QUOTE.test(one)).map(one => QUOTE.exec(one)[1])));
  return h("p", {}, withBreaks([lines.shift(), ...takeWhile(lines, one => !starts(one))]));
}

export function markdown(text) {
  const lines = text.replaceAll("\r\n", "\n").split("\n"), out = [];
  for (;;) {
    takeWhile(lines, line => /^\s*$/.test(line));
    if (lines.length === 0) return out;
    out.push(block(lines));
  }
}
