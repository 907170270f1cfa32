// npm's `@cerebras/cerebras_cloud_sdk` against a running waferd.
import assert from "node:assert/strict";
import test from "node:test";
import { checkTimes, load, messages, metric, model, readChat, url } from "./scenes.mjs";

const loaded = load("@cerebras/cerebras_cloud_sdk");
const Cerebras = loaded.default ?? loaded;
const client = new Cerebras({ baseURL: url, apiKey: "none", maxRetries: 0 });

test("building the client warms its connection", async () => {
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.ok((await metric("waferline_http_requests_total", 'route="/v1/tcp_warming"')) > 0);
});

test("models are listed and found by name", async () => {
  const list = await client.models.list();
  assert.ok(list.data.some((entry) => entry.id === model));
  assert.equal((await client.models.retrieve(model)).id, model);
});

test("a chat in one piece and as a stream, with the emulated times", async () => {
  const ask = { model, messages, max_completion_tokens: 24, seed: 7, service_tier: "priority" };
  const whole = await client.chat.completions.create(ask);
  checkTimes(whole.time_info);
  assert.equal(whole.service_tier, "priority");
  assert.equal(typeof whole.usage.prompt_tokens_details.cached_tokens, "number");
  const seen = await readChat(await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } }));
  assert.equal(seen.text, whole.choices[0].message.content);
  assert.equal(seen.usage.completion_tokens, whole.usage.completion_tokens);
  checkTimes(seen.timeInfo);
});

test("a completion in one piece and as a stream", async () => {
  const ask = { model, prompt: "Once upon a time", max_tokens: 20, seed: 3 };
  const whole = await client.completions.create(ask);
  checkTimes(whole.time_info);
  let text = "";
  let times = null;
  for await (const chunk of await client.completions.create({ ...ask, stream: true })) {
    text += chunk.choices?.[0]?.text ?? "";
    times = chunk.time_info ?? times;
  }
  assert.equal(text, whole.choices[0].text);
  checkTimes(times);
});

test("errors are typed", async () => {
  await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }), Cerebras.NotFoundError);
  await assert.rejects(client.chat.completions.create({ model, messages, temperature: 9 }), Cerebras.BadRequestError);
});
