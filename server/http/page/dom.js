// Elements without a library: h("div", {class: "card"}, child, "text"). Text is always text, never HTML.
const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter(child => child !== undefined && child !== null && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Changes the DOM only where the text is another: what is selected stays selected.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name, on) {
  element.classList.toggle(name, Boolean(on));
}

// A square of a colour for a legend. Set by script: the page's policy allows no style attribute.
export function swatch(variable) {
  const square = h("i");
  square.style.background = variable.startsWith("--") ? `var(${variable})` : variable;
  return square;
}
