// npm's `openai` against a running waferd.
import assert from "node:assert/strict";
import test from "node:test";
import { eventually, load, messages, metric, model, readChat, url } from "./scenes.mjs";

const { OpenAI, NotFoundError, BadRequestError, APIUserAbortError } = load("openai");
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });

test("models are listed and found by name", async () => {
  const ids = [];
  for await (const entry of client.models.list()) ids.push(entry.id);
  assert.ok(ids.includes(model));
  assert.equal((await client.models.retrieve(model)).object, "model");
});

test("a chat in one piece, and the same chat as a stream", async () => {
  const ask = { model, messages, max_tokens: 40, seed: 7, temperature: 0.8 };
  const whole = await client.chat.completions.create(ask);
  assert.equal(whole.choices[0].message.role, "assistant");
  assert.ok(whole.choices[0].message.content.length > 5, "an answer");
  assert.ok(["stop", "length"].includes(whole.choices[0].finish_reason));
  const stream = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
  const seen = await readChat(stream);
  assert.equal(seen.text, whole.choices[0].message.content);
  assert.deepEqual(seen.reasons, [whole.choices[0].finish_reason]);
  assert.equal(seen.usage.completion_tokens, whole.usage.completion_tokens);
  assert.equal(seen.usage.prompt_tokens, whole.usage.prompt_tokens);
  assert.equal(seen.usage.total_tokens, seen.usage.prompt_tokens + seen.usage.completion_tokens);
  assert.equal(typeof seen.usage.prompt_tokens_details.cached_tokens, "number");
});

test("the client's own stream runner puts the message together", async () => {
  const runner = client.chat.completions.stream({ model, messages, max_tokens: 20, seed: 1 });
  let text = "";
  runner.on("content", (delta) => (text += delta));
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, text);
});

test("a completion in one piece, and the same as a stream", async () => {
  const ask = { model, prompt: "Once upon a time", max_tokens: 30, seed: 3 };
  const whole = await client.completions.create(ask);
  assert.ok(whole.usage.completion_tokens <= 30 && whole.usage.completion_tokens > 0);
  let text = "";
  let reason = null;
  for await (const chunk of await client.completions.create({ ...ask, stream: true })) {
    text += chunk.choices[0].text;
    reason = chunk.choices[0].finish_reason ?? reason;
  }
  assert.equal(text, whole.choices[0].text);
  assert.equal(reason, whole.choices[0].finish_reason);
});

test("several prompts, several answers", async () => {
  const reply = await client.completions.create({ model, prompt: ["The baker", "The sea"], n: 2, max_tokens: 8, seed: 5 });
  assert.deepEqual(reply.choices.map((choice) => choice.index), [0, 1, 2, 3]);
  const alone = await client.completions.create({ model, prompt: "The sea", n: 1, max_tokens: 8, seed: 5 });
  assert.equal(alone.choices[0].text, reply.choices[2].text, "the same as alone");
  const choices = new Map();
  const stream = await client.chat.completions.create({ model, messages, n: 2, max_tokens: 12, seed: 5, stream: true });
  for await (const chunk of stream) {
    for (const choice of chunk.choices) choices.set(choice.index, (choices.get(choice.index) ?? "") + (choice.delta.content ?? ""));
  }
  assert.equal(choices.size, 2);
});

test("a seed repeats, another one differs", async () => {
  const say = async (seed) => (await client.completions.create({ model, prompt: "In the morning", max_tokens: 40, temperature: 1, seed })).choices[0].text;
  assert.equal(await say(11), await say(11));
  const others = await Promise.all([12, 13, 14, 15].map(say));
  assert.ok(new Set(others).size > 1, "four seeds give more than one text");
});

test("stop strings are cut off and end the answer", async () => {
  const ask = { model, prompt: "Once upon a time", max_tokens: 60, temperature: 0 };
  const free = (await client.completions.create(ask)).choices[0].text;
  const words = free.trim().split(/\s+/);
  assert.ok(words.length > 4, free);
  const stop = words[3];
  const cut = (await client.completions.create({ ...ask, stop })).choices[0];
  assert.equal(cut.finish_reason, "stop");
  assert.equal(cut.text, free.slice(0, free.indexOf(stop)));
});

test("log-probabilities of a chat spell the text", async () => {
  const reply = await client.chat.completions.create({ model, messages, max_tokens: 12, logprobs: true, top_logprobs: 3, seed: 2 });
  const tokens = reply.choices[0].logprobs.content;
  assert.equal(tokens.length > 0, true);
  const bytes = tokens.flatMap((token) => token.bytes);
  assert.equal(Buffer.from(bytes).toString("utf8").trimStart(), reply.choices[0].message.content.trimStart());
  for (const token of tokens) {
    assert.equal(token.top_logprobs.length, 3);
    assert.ok(token.logprob <= 0);
    const sorted = token.top_logprobs.map((top) => top.logprob);
    assert.deepEqual(sorted, [...sorted].sort((a, b) => b - a));
  }
});

test("log-probabilities of a completion, and echo", async () => {
  const reply = await client.completions.create({ model, prompt: "The baker", max_tokens: 4, logprobs: 2, echo: true, seed: 1 });
  const { text, logprobs, finish_reason } = reply.choices[0];
  assert.ok(text.startsWith("The baker"));
  assert.ok(["length", "stop"].includes(finish_reason));
  assert.equal(logprobs.token_logprobs[0], null);
  assert.equal(logprobs.tokens.length, logprobs.text_offset.length);
  assert.ok(logprobs.tokens.length >= reply.usage.prompt_tokens);
  assert.ok(logprobs.token_logprobs.slice(1).every((value) => value <= 0));
});

test("an unknown model is NotFoundError", async () => {
  const error = await client.chat.completions.create({ model: "no-such-model", messages }).catch((e) => e);
  assert.ok(error instanceof NotFoundError, String(error));
  assert.equal(error.code, "model_not_found");
  assert.equal(error.param, "model");
  assert.ok(error.requestID, "x-request-id");
  await assert.rejects(client.models.retrieve("no-such-model"), NotFoundError);
});

test("more tokens than the context leaves are cut, with a warning", async () => {
  const ask = { model, messages, max_tokens: 10_000_000, temperature: 0 };
  const { data, response } = await client.chat.completions.create(ask).withResponse();
  assert.ok(data.choices[0].message.content);
  assert.match(response.headers.get("x-waferline-warnings"), /^max_tokens cut to \d+,/);
});

test("a bad field is BadRequestError with its name", async () => {
  const fail = (more) => client.chat.completions.create({ model, messages, ...more }).catch((e) => e);
  for (const [more, param] of [
    [{ temperature: 9 }, "temperature"],
    [{ n: 0 }, "n"],
    [{ tools: [{ type: "function", function: { name: "f", parameters: { properties: { a: { type: "nope" } } } } }] }, "tools"],
    [{ response_format: { type: "xml" } }, "response_format.type"],
    [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "http://x" } }] }] }, "messages[0].content[0].type"],
    [{ messages: [{ role: "user", content: "word ".repeat(5000) }] }, "messages"],
  ]) {
    const error = await fail(more);
    assert.ok(error instanceof BadRequestError, JSON.stringify(more) + " gave " + error);
    assert.equal(error.param, param);
    assert.equal(error.type, "invalid_request_error");
  }
});

test("a client that leaves in the middle cancels its request", async () => {
  const before = await metric("waferline_requests_finished_total", 'reason="cancelled"');
  const leaving = new AbortController();
  const stream = await client.completions.create(
    { model, prompt: "Once upon a time", max_tokens: 400, stream: true, ignore_eos: true }, { signal: leaving.signal });
  let chunks = 0;
  try {
    for await (const chunk of stream) {
      assert.ok(chunk.choices[0].text !== undefined);
      if (++chunks === 3) leaving.abort();
    }
  } catch (error) {
    assert.ok(error instanceof APIUserAbortError || error.name === "AbortError", String(error));
  }
  await eventually("the request is counted as cancelled", async () =>
    (await metric("waferline_requests_finished_total", 'reason="cancelled"')) > before);
  await eventually("nothing is in flight", async () => (await metric("waferline_requests_in_flight")) === 0);
});

test("sixteen chats at once are the same as one by one", async () => {
  const ask = (seed) => client.chat.completions.create({ model, messages, max_tokens: 16, seed, temperature: 1 });
  const seeds = [...Array(16).keys()];
  const together = await Promise.all(seeds.map(ask));
  for (const seed of [0, 7, 15]) {
    assert.equal(together[seed].choices[0].message.content, (await ask(seed)).choices[0].message.content);
  }
});

const weather = {
  type: "function",
  function: {
    name: "weather",
    strict: true,
    parameters: { type: "object", properties: { place: { type: "string", maxLength: 20 } }, required: ["place"], additionalProperties: false },
  },
};

test("an answer has the form that was asked for", async () => {
  const schema = { type: "object", properties: { age: { type: "integer", minimum: 1, maximum: 99 } }, required: ["age"], additionalProperties: false };
  const parsed = await client.chat.completions.parse({
    model, messages, max_tokens: 60, response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema } },
  });
  const age = JSON.parse(parsed.choices[0].message.content).age;
  assert.ok(age >= 1 && age <= 99);
});

test("a tool is called, as a stream too, and the runner runs it", async () => {
  const ask = { model, messages, tools: [weather], tool_choice: "required", parallel_tool_calls: false, max_tokens: 100, seed: 2 };
  const whole = await client.chat.completions.create(ask);
  assert.equal(whole.choices[0].finish_reason, "tool_calls");
  const [call] = whole.choices[0].message.tool_calls;
  assert.deepEqual(Object.keys(JSON.parse(call.function.arguments)), ["place"]);
  const final = await client.chat.completions.stream(ask).finalChatCompletion();
  assert.equal(final.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  let asked = null;
  const runner = client.chat.completions.runTools({
    model, messages, max_tokens: 100, seed: 2, parallel_tool_calls: false, tool_choice: { type: "function", function: { name: "weather" } },
    tools: [{ type: "function", function: { ...weather.function, parse: JSON.parse, function: (args) => ((asked = args), "rain") } }],
  });
  await runner.finalFunctionToolCall();
  await runner.done();
  assert.equal(typeof asked.place, "string");
});
