"""PyPI's `cerebras_cloud_sdk` against a running waferd."""

import os
import sys
import unittest

from cerebras.cloud import sdk

URL = os.environ["WAFERLINE_URL"]
MODEL = os.environ["WAFERLINE_MODEL"]
MESSAGES = [{"role": "user", "content": "Who bakes the bread in the village?"}]


class CerebrasTest(unittest.TestCase):
    def setUp(self):
        self.client = sdk.Cerebras(base_url=URL, api_key="none", max_retries=0)

    def check_times(self, times):
        self.assertAlmostEqual(times.queue_time + times.prompt_time + times.completion_time, times.total_time, places=6)
        self.assertGreater(times.completion_time, 0)

    def test_models(self):
        self.assertIn(MODEL, [model.id for model in self.client.models.list().data])

    def test_chat_whole_and_streamed(self):
        ask = {"model": MODEL, "messages": MESSAGES, "max_completion_tokens": 20, "seed": 7}
        whole = self.client.chat.completions.create(**ask)
        self.check_times(whole.time_info)
        text, times = "", None
        for chunk in self.client.chat.completions.create(stream=True, **ask):
            for choice in chunk.choices or []:
                text += choice.delta.content or ""
            times = chunk.time_info or times
        self.assertEqual(text, whole.choices[0].message.content)
        self.check_times(times)

    def test_completion(self):
        reply = self.client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=10, seed=1)
        self.assertGreater(len(reply.choices[0].text), 0)
        self.assertLessEqual(reply.usage.completion_tokens, 10)

    def test_errors_are_typed(self):
        with self.assertRaises(sdk.NotFoundError):
            self.client.chat.completions.create(model="no-such-model", messages=MESSAGES)
        with self.assertRaises(sdk.BadRequestError):
            self.client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=9)


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=2).result.wasSuccessful() else 1)
