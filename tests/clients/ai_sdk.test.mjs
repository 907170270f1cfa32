import assert from "node:assert/strict";
import test from "node:test";
import { load, model, url } from "./scenes.mjs";

const { generateText, generateObject, streamText, tool, stepCountIs, Output } = load("ai");
const { createOpenAI } = load("@ai-sdk/openai");
const { z } = load("zod");
const openai = createOpenAI({ baseURL: url + "/v1", apiKey: "none" });
const prompt = "Who bakes the bread in the village?";
const Villager = z.object({ age: z.number().int().min(1).max(99), trade: z.enum(["baker", "smith"]) });

for (const [api, of] of [["responses", openai(model)], ["chat", openai.chat(model)]]) {
  test(`${api}: generateText and streamText`, async () => {
    const whole = await generateText({ model: of, prompt, maxOutputTokens: 40, temperature: 0, maxRetries: 0 });
    assert.ok(whole.text.length > 5 && whole.usage.outputTokens > 0);
    const stream = streamText({ model: of, prompt, maxOutputTokens: 40, temperature: 0, maxRetries: 0 });
    let text = "";
    for await (const part of stream.textStream) text += part;
    assert.equal(text, whole.text);
    assert.equal(await stream.finishReason, whole.finishReason);
  });
  test(`${api}: generateObject and Output.object`, async () => {
    const ask = { model: of, prompt, maxOutputTokens: 200, maxRetries: 0 };
    if (generateObject) assert.ok((await generateObject({ ...ask, schema: Villager })).object.trade);
    assert.ok((await generateText({ ...ask, output: Output.object({ schema: Villager }) })).output.trade);
  });
  test(`${api}: tools are called and their results go back`, async () => {
    const asked = [];
    const weather = tool({
      description: "The weather of a place.", inputSchema: z.object({ place: z.string().max(20) }),
      execute: async ({ place }) => (asked.push(place), "rain"),
    });
    const result = await generateText({
      model: of, prompt, tools: { weather }, maxOutputTokens: 300, providerOptions: { openai: { parallelToolCalls: false } }, maxRetries: 0, stopWhen: stepCountIs(2),
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "none" }),
    });
    assert.ok(asked.length > 0);
    assert.equal(result.steps.length, 2);
    const stream = streamText({ model: of, prompt, tools: { weather }, toolChoice: "required", maxOutputTokens: 300, providerOptions: { openai: { parallelToolCalls: false } }, maxRetries: 0 });
    const kinds = new Set();
    for await (const part of stream.fullStream) kinds.add(part.type);
    assert.ok(kinds.has("tool-call") && kinds.has("tool-result"), [...kinds].join());
  });
}
