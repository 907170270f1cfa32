// Numbers as people read them.
export function count(n) {
  if (!Number.isFinite(n)) return "–";
  if (n >= 1e6) return (n / 1e6).toFixed(2) + " M";
  if (n >= 1e4) return (n / 1e3).toFixed(1) + " k";
  return n < 10 && n % 1 !== 0 ? n.toFixed(1) : String(Math.round(n));
}

// A duration in milliseconds.
export function ms(value) {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  if (value < 1) return (value * 1e3).toPrecision(3) + " µs";
  if (value < 1e3) return Number(value.toPrecision(3)) + " ms";
  return (value / 1e3).toPrecision(3) + " s";
}

export function bytes(n) {
  if (n >= 1e9) return (n / 1e9).toFixed(2) + " GB";
  if (n >= 1e6) return (n / 1e6).toFixed(1) + " MB";
  return n >= 1e3 ? (n / 1e3).toFixed(1) + " kB" : n + " B";
}

export const percent = share => (100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0) + " %";

export function clock(date) {
  return date.toTimeString().slice(0, 8);
}

// "model/wafer-0" as its model's page calls it: "wafer-0".
export const shortName = name => name.slice(name.indexOf("/") + 1);
