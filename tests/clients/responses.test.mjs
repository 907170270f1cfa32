// npm's `openai` on /v1/responses of a running waferd, with schemas by Zod.
import assert from "node:assert/strict";
import test from "node:test";
import { load, model, url } from "./scenes.mjs";

const { OpenAI, NotFoundError } = load("openai");
const { zodTextFormat, zodResponsesFunction } = load("openai/helpers/zod");
const { z } = load("zod");
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "none", maxRetries: 0 });
const input = "Who bakes the bread in the village?";

test("a response in one piece, and the same as a stream", async () => {
  const ask = { model, input, max_output_tokens: 40, temperature: 0 };
  const whole = await client.responses.create(ask);
  assert.equal(whole.status, "completed");
  assert.ok(whole.output_text.length > 5, "an answer");
  const numbers = [];
  let text = "";
  for await (const event of await client.responses.create({ ...ask, stream: true })) {
    numbers.push(event.sequence_number);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  assert.equal(text, whole.output_text);
  assert.deepEqual(numbers, [...numbers.keys()]);
});

test("the client's own stream runner puts the response together", async () => {
  const stream = client.responses.stream({ model, input, max_output_tokens: 30 });
  let text = "";
  stream.on("response.output_text.delta", (event) => (text += event.delta));
  assert.equal((await stream.finalResponse()).output[0].content[0].text, text);
});

test("an answer has the form of a Zod schema", async () => {
  const Villager = z.object({ age: z.number().int().min(1).max(99), trade: z.enum(["baker", "smith"]) });
  const parsed = await client.responses.parse({ model, input, max_output_tokens: 200, text: { format: zodTextFormat(Villager, "villager") } });
  assert.ok(["baker", "smith"].includes(parsed.output_parsed.trade));
});

test("a tool is called with parsed arguments, and its output goes back", async () => {
  const tool = zodResponsesFunction({ name: "weather", parameters: z.object({ place: z.string().max(20) }) });
  const first = await client.responses.parse({
    model, input, max_output_tokens: 100, tools: [tool], tool_choice: { type: "function", name: "weather" },
  });
  const [call] = first.output;
  assert.equal(typeof call.parsed_arguments.parsed_arguments.place, "string"); // 6.30 nests them
  const second = await client.responses.create({
    model, previous_response_id: first.id, max_output_tokens: 20, temperature: 0,
    input: [{ type: "function_call_output", call_id: call.call_id, output: "rain" }],
  });
  assert.ok(second.output_text);
  assert.equal(second.previous_response_id, first.id);
});

test("a stored response is read and deleted", async () => {
  const { id, output_text } = await client.responses.create({ model, input, max_output_tokens: 10 });
  assert.equal((await client.responses.retrieve(id)).output.at(-1).content[0].text, output_text);
  await client.responses.delete(id);
  await assert.rejects(client.responses.retrieve(id), NotFoundError);
});
