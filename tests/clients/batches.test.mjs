// npm's `openai` on /v1/files and /v1/batches of a running waferd.
import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout } from "node:timers/promises";
import { load, model, url } from "./scenes.mjs";

const { OpenAI, NotFoundError, toFile } = load("openai");
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const endpoint = "/v1/completions";

async function ended(batch) {
  const deadline = Date.now() + 60_000;
  while (["validating", "in_progress", "finalizing", "cancelling"].includes(batch.status)) {
    assert.ok(Date.now() < deadline, batch.status);
    await setTimeout(50);
    batch = await client.batches.retrieve(batch.id);
  }
  return batch;
}

test("a batch from file to file", async () => {
  const lines = [0, 1, 2].map((i) => JSON.stringify({
    custom_id: `c${i}`, method: "POST", url: endpoint, body: { model, prompt: "Once upon a time", max_tokens: 8, seed: i },
  }));
  const file = await client.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "in.jsonl"), purpose: "batch" });
  assert.equal(file.filename, "in.jsonl");
  const batch = await ended(await client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" }));
  assert.equal(batch.status, "completed");
  assert.deepEqual(batch.request_counts, { total: 3, completed: 3, failed: 0 });
  const rows = (await (await client.files.content(batch.output_file_id)).text()).trim().split("\n").map(JSON.parse);
  assert.deepEqual(rows.map((row) => row.custom_id), ["c0", "c1", "c2"]);
  for (const row of rows) assert.ok(row.response.body.choices[0].text.length > 0);
  const ids = [];
  for await (const one of client.batches.list({ limit: 1 })) ids.push(one.id);
  assert.ok(ids.includes(batch.id));
  assert.equal((await client.files.delete(file.id)).deleted, true);
  await assert.rejects(client.files.retrieve(file.id), NotFoundError);
});
