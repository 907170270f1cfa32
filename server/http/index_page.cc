#include "server/http/index_page.h"

namespace waferline::http {

const std::string_view kIndexPage = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Waferline</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --soft: color-mix(in srgb, currentColor 62%, transparent); --accent: #c2571a; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1rem 4rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.05rem; }
p { margin: .4rem 0; max-width: 44rem; } .soft { color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(12.5rem, 1fr)); gap: .75rem; }
.figure { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.figure b { display: block; font-size: 1.45rem; font-variant-numeric: tabular-nums; line-height: 1.25; }
.figure span { font-size: .82rem; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); } td:first-child { white-space: nowrap; } td.n { font-variant-numeric: tabular-nums; }
.bar { height: .55rem; width: 9rem; border-radius: .3rem; background: var(--line); overflow: hidden; display: inline-block; }
.bar i { display: block; height: 100%; background: var(--accent); }
textarea, pre { width: 100%; font: 14px/1.45 ui-monospace, monospace; border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; background: none; color: inherit; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .6rem 0; min-height: 3rem; }
button, select { font: inherit; padding: .35rem 1rem; border-radius: .4rem; border: 1px solid var(--line); background: none; color: inherit; }
button { border-color: var(--accent); color: var(--accent); cursor: pointer; }
code { font: .9em ui-monospace, monospace; } #bad { color: #c22; }
</style>
</head>
<body>
<h1>Waferline</h1>
<p>An emulated wafer-scale token cloud. <b>Times are emulated</b>: each token has the instant at which the
modelled hardware would have produced it. Where a model is marked <b>computed</b>, its tokens come from its real
weights; <b>stand-in</b> means a cheap source of text in their place.</p>
<p id="bad" role="alert"></p>

<h2>Now</h2>
<div class="figures" id="figures"></div>

<h2>Models</h2>
<table><thead><tr><th>Name</th><th>Tokens</th><th>Context</th><th>What it is</th></tr></thead><tbody id="models"></tbody></table>

<h2>Decode units</h2>
<table><thead><tr><th>Unit</th><th>Slots in use</th><th>KV pages in use</th><th>SRAM held by weights</th></tr></thead><tbody id="units"></tbody></table>

<h2>Try it</h2>
<p><select id="model" aria-label="model"></select> <button id="go">Continue this text</button> <button id="stop">Stop</button></p>
<textarea id="prompt" rows="2" aria-label="prompt">Once upon a time</textarea>
<pre id="answer" aria-live="polite"></pre>

<h2>Routes</h2>
<p class="soft"><code>POST /v1/chat/completions</code>, <code>POST /v1/completions</code>, <code>POST /v1/responses</code>, <code>POST /v1/messages</code>, <code>GET /v1/models</code>,
<code>POST /tokenize</code>, <code>POST /detokenize</code>, <code>GET /tokenizer_info</code>, <code>GET /health</code>, <code>/live</code>, <code>/ready</code>,
<a href="/metrics"><code>GET /metrics</code></a>; for operators <code>GET /admin/server</code>, <code>/admin/load</code>,
<code>/admin/usage</code>, <code>POST /admin/drain</code>, <code>/admin/abort</code>, <code>/admin/faults</code>,
<code>/admin/reset_prefix_cache</code></p>

<script>
"use strict";
const $ = id => document.getElementById(id);
const cell = (row, text, cls) => { const td = row.insertCell(); td.textContent = text; if (cls) td.className = cls; return td; };

// Prometheus text -> [{name, labels, value}]
function parseMetrics(text) {
  const out = [];
  for (const line of text.split("\n")) {
    const m = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const l of (m[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[l[1]] = l[2];
    out.push({name: m[1], labels, value: Number(m[3])});
  }
  return out;
}
const seconds = s => !isFinite(s) ? "-" : s < 1e-3 ? (s * 1e6).toFixed(0) + " us" : s < 1 ? (s * 1e3).toPrecision(3) + " ms" : s.toPrecision(3) + " s";
const count = n => n >= 1e6 ? (n / 1e6).toFixed(2) + " M" : n >= 1e4 ? (n / 1e3).toFixed(1) + " k" : String(Math.round(n));
const bytes = n => n >= 1e9 ? (n / 1e9).toFixed(2) + " GB" : (n / 1e6).toFixed(1) + " MB";

let before = null;
function show(metrics, at) {
  const sum = (name, want = {}) => metrics.filter(m => m.name === name && Object.keys(want).every(k => m.labels[k] === want[k])).reduce((a, m) => a + m.value, 0);
  const mean = name => sum(name + "_sum") / sum(name + "_count");
  const tokens = sum("waferline_generated_tokens_total");
  const rate = before && at > before.at ? (tokens - before.tokens) / (at - before.at) * 1000 : 0;
  before = {tokens, at};
  const figures = [
    [count(rate) + "/s", "tokens, host wall time"],
    [count(tokens), "tokens so far"],
    [count(sum("waferline_requests", {phase: "decoding"})), "requests decoding"],
    [count(sum("waferline_requests", {phase: "waiting"})), "requests waiting"],
    [seconds(mean("waferline_emulated_time_to_first_token_seconds")), "mean time to first token, emulated"],
    [seconds(mean("waferline_emulated_inter_token_seconds")), "mean time per token, emulated"],
    [seconds(mean("waferline_token_lateness_seconds")), "mean lateness of a token, host"],
    [count(sum("waferline_requests_refused_total")), "requests refused"]];
  $("figures").replaceChildren(...figures.map(([value, what]) => {
    const div = document.createElement("div"); div.className = "figure";
    const b = document.createElement("b"); b.textContent = value;
    const span = document.createElement("span"); span.textContent = what;
    div.append(b, span); return div;
  }));
  const units = $("units"); units.replaceChildren();
  for (const m of metrics.filter(m => m.name === "waferline_unit_slots")) {
    const {model_name, unit} = m.labels, own = {model_name, unit};
    const row = units.insertRow();
    cell(row, unit.startsWith(model_name) ? unit : model_name + " / " + unit);
    cell(row, count(sum("waferline_unit_sequences", own)) + " of " + count(m.value), "n");
    const used = sum("waferline_kv_pages", {...own, owner: "sequences"}), all = sum("waferline_kv_pages", own);
    const kv = cell(row, "", "n"), bar = document.createElement("span"), fill = document.createElement("i");
    bar.className = "bar"; fill.style.width = (all ? 100 * used / all : 0) + "%"; bar.append(fill);
    kv.append(bar, " " + count(used) + " of " + count(all));
    cell(row, bytes(sum("waferline_sram_bytes", {...own, owner: "weights"})), "n");
  }
}

let key = "";
function headers() { return key ? {authorization: "Bearer " + key} : {}; }
async function listModels() {
  let reply = await fetch("/v1/models", {headers: headers()});
  if (reply.status === 401 && (key = prompt("API key") || "")) reply = await fetch("/v1/models", {headers: headers()});
  if (!reply.ok) throw new Error((await reply.json()).error?.message || reply.statusText);
  for (const model of (await reply.json()).data) {
    const row = $("models").insertRow();
    cell(row, model.id); cell(row, model.waferline.tokens); cell(row, String(model.max_model_len), "n"); cell(row, model.waferline.description);
    const option = document.createElement("option"); option.textContent = model.id; $("model").append(option);
  }
}
async function refresh() {
  try {
    show(parseMetrics(await (await fetch("/metrics")).text()), performance.now());
    $("bad").textContent = "";
  } catch (error) { $("bad").textContent = "No figures: " + error.message; }
  setTimeout(refresh, 1000);
}
let running = null;
async function go() {
  running?.abort(); running = new AbortController();
  $("answer").textContent = $("prompt").value;
  try {
    const reply = await fetch("/v1/completions", {method: "POST", signal: running.signal, headers: {...headers(), "content-type": "application/json"},
      body: JSON.stringify({model: $("model").value, prompt: $("prompt").value, max_tokens: 200, stream: true})});
    if (!reply.ok) throw new Error((await reply.json()).error?.message || reply.statusText);
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = "";;) {
      const {value, done} = await reader.read();
      if (done) break;
      const events = (rest + value).split("\n\n"); rest = events.pop();
      for (const event of events) {
        if (!event.startsWith("data: {")) continue;
        const chunk = JSON.parse(event.slice(6));
        if (chunk.error) throw new Error(chunk.error.message);
        $("answer").textContent += chunk.choices[0]?.text ?? "";
      }
    }
  } catch (error) { if (error.name !== "AbortError") $("answer").textContent += "\n[" + error.message + "]"; }
}
$("go").onclick = go;
$("stop").onclick = () => running?.abort();
listModels().catch(error => { $("bad").textContent = "No models: " + error.message; });
refresh();
</script>
</body>
</html>
)html";

}  // namespace waferline::http
