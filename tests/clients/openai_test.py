"""PyPI's `openai` against a running waferd."""

import asyncio
import json
import math
import os
import sys
import time
import unittest
import urllib.request

import openai

URL = os.environ["WAFERLINE_URL"]
MODEL = os.environ["WAFERLINE_MODEL"]
MESSAGES = [{"role": "system", "content": "You live in Larkhaven."},
            {"role": "user", "content": "Who bakes the bread in the village?"}]


def metric(name, labels=""):
    """Sum of all series of this name whose labels contain `labels`."""
    with urllib.request.urlopen(URL + "/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    total = 0.0
    for line in lines:
        series, _, value = line.rpartition(" ")
        if series.partition("{")[0] == name and labels in series:
            total += float(value)
    return total


class OpenAiTest(unittest.TestCase):
    def setUp(self):
        self.client = openai.OpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)

    def chat(self, **fields):
        return self.client.chat.completions.create(model=MODEL, messages=MESSAGES, **fields)

    def complete(self, **fields):
        return self.client.completions.create(model=MODEL, **fields)

    def test_models(self):
        listed = [model.id for model in self.client.models.list()]
        self.assertIn(MODEL, listed)
        self.assertEqual(self.client.models.retrieve(MODEL).id, MODEL)

    def test_chat_whole_and_streamed(self):
        ask = {"max_tokens": 30, "seed": 7, "temperature": 0.8}
        whole = self.chat(**ask)
        text, usage, reasons = "", None, []
        for chunk in self.chat(stream=True, stream_options={"include_usage": True}, **ask):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                reasons += [choice.finish_reason] if choice.finish_reason else []
            usage = chunk.usage or usage
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(reasons, [whole.choices[0].finish_reason])
        self.assertEqual(usage.completion_tokens, whole.usage.completion_tokens)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_completion_whole_and_streamed(self):
        ask = {"prompt": "Once upon a time", "max_tokens": 20, "seed": 3}
        whole = self.complete(**ask)
        streamed = "".join(chunk.choices[0].text for chunk in self.complete(stream=True, **ask))
        self.assertEqual(streamed, whole.choices[0].text)

    def test_token_ids_as_prompt(self):
        """Text and its token ids are the same prompt."""
        request = urllib.request.Request(URL + "/tokenize", method="POST",
                                         data=('{"model":"%s","prompt":"The baker"}' % MODEL).encode())
        with urllib.request.urlopen(request, timeout=10) as reply:
            ids = json.loads(reply.read())["tokens"]
        by_text = self.complete(prompt="The baker", max_tokens=8, seed=4)
        by_ids = self.complete(prompt=ids, max_tokens=8, seed=4)
        self.assertEqual(by_text.choices[0].text, by_ids.choices[0].text)
        self.assertEqual(by_text.usage.prompt_tokens, len(ids))

    def test_logprobs(self):
        greedy = self.chat(max_tokens=8, temperature=0, logprobs=True, top_logprobs=5)
        for token in greedy.choices[0].logprobs.content:
            self.assertEqual(token.token, token.top_logprobs[0].token)  # greedy takes the likeliest
            self.assertAlmostEqual(token.logprob, token.top_logprobs[0].logprob, places=5)
            self.assertLessEqual(sum(math.exp(top.logprob) for top in token.top_logprobs), 1 + 1e-4)

    def test_prompt_logprobs_without_generating(self):
        """echo with max_tokens 0, as evaluation harnesses ask."""
        reply = self.complete(prompt="The baker bakes bread.", max_tokens=0, echo=True, logprobs=1)
        choice = reply.choices[0]
        self.assertEqual(choice.text, "The baker bakes bread.")
        self.assertEqual(len(choice.logprobs.tokens), reply.usage.prompt_tokens)
        self.assertEqual(reply.usage.completion_tokens, 0)
        self.assertIsNone(choice.logprobs.token_logprobs[0])
        self.assertTrue(all(value <= 0 for value in choice.logprobs.token_logprobs[1:]))

    def test_seed_stop_and_n(self):
        ask = {"prompt": "In the morning", "max_tokens": 30, "temperature": 1}
        self.assertEqual(self.complete(seed=1, **ask).choices[0].text, self.complete(seed=1, **ask).choices[0].text)
        two = self.complete(seed=1, n=2, **ask)
        self.assertEqual([choice.index for choice in two.choices], [0, 1])
        self.assertEqual(two.choices[0].text, self.complete(seed=1, **ask).choices[0].text)
        self.assertNotEqual(two.choices[0].text, two.choices[1].text)
        stopped = self.complete(seed=1, stop=["."], **{**ask, "max_tokens": 100})
        self.assertNotIn(".", stopped.choices[0].text)

    def test_errors_are_typed(self):
        with self.assertRaises(openai.NotFoundError) as missing:
            self.client.chat.completions.create(model="no-such-model", messages=MESSAGES)
        self.assertEqual(missing.exception.code, "model_not_found")
        for fields, param in [({"temperature": 9}, "temperature"),
                              ({"response_format": {"type": "json_object"}}, "response_format"),
                              ({"logit_bias": {"99999999": 1}}, "logit_bias")]:
            with self.assertRaises(openai.BadRequestError) as bad:
                self.chat(**fields)
            self.assertEqual(bad.exception.param, param)
        with self.assertRaises(openai.BadRequestError) as long:
            self.complete(prompt="word " * 50_000)
        self.assertEqual(long.exception.code, "context_length_exceeded")

    def test_leaving_cancels(self):
        before = metric("waferline_requests_finished_total", 'reason="cancelled"')
        stream = self.complete(prompt="Once upon a time", max_tokens=400, stream=True, extra_body={"ignore_eos": True})
        for count, _ in enumerate(stream):
            if count == 2:
                break
        stream.close()
        deadline = time.monotonic() + 10
        while metric("waferline_requests_finished_total", 'reason="cancelled"') <= before:
            self.assertLess(time.monotonic(), deadline, "not counted as cancelled")
            time.sleep(0.05)

    def test_async_client(self):
        async def many():
            client = openai.AsyncOpenAI(base_url=URL + "/v1", api_key="none", max_retries=0)
            async with client:
                return await asyncio.gather(*(client.chat.completions.create(
                    model=MODEL, messages=MESSAGES, max_tokens=8, seed=seed) for seed in range(8)))
        replies = asyncio.run(many())
        self.assertEqual(len({reply.id for reply in replies}), 8)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=2).result.wasSuccessful() else 1)
