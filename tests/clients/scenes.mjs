// What the tests on Node share: the installed packages, the server, its metrics.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

export const load = createRequire(process.env.WAFERLINE_CLIENTS + "/node/");
export const url = process.env.WAFERLINE_URL;
export const model = process.env.WAFERLINE_MODEL;
export const messages = [
  { role: "system", content: "You live in Larkhaven." },
  { role: "user", content: "Who bakes the bread in the village?" },
];

// Sum of all series of this name whose labels contain `labels`.
export async function metric(name, labels = "") {
  const text = await (await fetch(url + "/metrics")).text();
  let sum = 0;
  for (const line of text.split("\n")) {
    const at = line.indexOf(" ");
    if (line.startsWith(name) && "{ ".includes(line[name.length]) && line.slice(0, at).includes(labels)) {
      sum += Number(line.slice(line.lastIndexOf(" ") + 1));
    }
  }
  return sum;
}

export async function eventually(what, condition) {
  for (let i = 0; i < 200; ++i) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail("did not happen within 10 s: " + what);
}

// A stream of chat chunks: its text, reasons, usage; checks what holds for every stream.
export async function readChat(stream) {
  const seen = { text: "", chunks: 0, role: null, reasons: [], usage: null, timeInfo: null, ids: new Set() };
  for await (const chunk of stream) {
    ++seen.chunks;
    seen.ids.add(chunk.id + " " + chunk.created + " " + chunk.model);
    for (const choice of chunk.choices) {
      if (choice.delta.role) seen.role = choice.delta.role;
      seen.text += choice.delta.content ?? "";
      if (choice.finish_reason) seen.reasons.push(choice.finish_reason);
    }
    if (chunk.usage) seen.usage = chunk.usage;
    if (chunk.time_info) seen.timeInfo = chunk.time_info;
  }
  assert.equal(seen.ids.size, 1, "id, created and model do not change in a stream");
  assert.equal(seen.role, "assistant");
  return seen;
}

export function checkTimes(times) {
  const parts = times.queue_time + times.prompt_time + times.completion_time;
  assert.ok(Math.abs(parts - times.total_time) < 1e-6, JSON.stringify(times));
  assert.ok(times.prompt_time > 0 && times.completion_time > 0, JSON.stringify(times));
}
