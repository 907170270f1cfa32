"""waferctl against a real waferd, over HTTP and gRPC alike: what a user types, what he reads, what a script parses."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from waferd import BIN, Waferd

MODEL = "waferline-demo"


def waferctl(*words, stdin="", server=None, env=None):
    command = [str(BIN / "waferctl"), *words] + (["--server", server] if server else [])
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120,
                          env={**os.environ, **(env or {})})


class WaferctlTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.waferd = Waferd("deploy/config/demo.yaml").__enter__()
        cls.servers = {"http": cls.waferd.http, "grpc": "grpc://" + cls.waferd.grpc}

    @classmethod
    def tearDownClass(cls):
        cls.waferd.__exit__(None, None, None)

    def ask(self, *words, server, **more):
        result = waferctl(*words, "--json", server=server, **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_both_doors_list_the_same_models(self):
        lists = [[(m["id"], m["context_length"]) for m in self.ask("models", server=url)["models"]]
                 for url in self.servers.values()]
        self.assertEqual(lists[0], lists[1])
        self.assertIn(MODEL, [name for name, _ in lists[0]])
        self.assertTrue(all(context > 0 for _, context in lists[0]))

    def test_greedy_completions_are_the_same_through_both_doors(self):
        answers = {}
        for door, url in self.servers.items():
            answers[door] = self.ask("complete", "Once upon a time", "--model", MODEL, "--temperature", "0",
                                     "--max-tokens", "24", server=url)
        for answer in answers.values():
            self.assertTrue(answer["text"])
            self.assertIn(answer["finish_reason"], ("stop", "length"))
            self.assertLessEqual(answer["usage"]["completion_tokens"], 24)
            times = answer["time_info"]
            parts = times["queue_time"] + times["prompt_time"] + times["completion_time"]
            self.assertAlmostEqual(parts, times["total_time"], places=6)
            self.assertGreater(times["total_time"], 0)
        self.assertEqual(answers["http"]["text"], answers["grpc"]["text"])
        self.assertEqual(answers["http"]["usage"], answers["grpc"]["usage"])

    def test_a_seed_repeats_a_sampled_answer_through_either_door(self):
        texts = {self.ask("complete", "The king", "--model", MODEL, "--seed", "7", "--max-tokens", "16",
                          server=url)["text"]
                 for url in self.servers.values() for _ in range(2)}
        self.assertEqual(len(texts), 1, texts)

    def test_stop_strings_end_the_text_through_both_doors(self):
        whole = self.ask("complete", "Once upon a time", "--model", MODEL, "--temperature", "0", "--max-tokens", "24",
                         server=self.servers["grpc"])["text"]
        stop = whole[len(whole) // 2:][:4]
        for url in self.servers.values():
            cut = self.ask("complete", "Once upon a time", "--model", MODEL, "--temperature", "0", "--max-tokens", "24",
                           "--stop", stop, server=url)
            self.assertEqual(cut["text"], whole[:whole.index(stop)])
            self.assertEqual(cut["finish_reason"], "stop")

    def test_a_chat_keeps_its_history(self):
        for url in self.servers.values():
            answer = self.ask("chat", "--model", MODEL, "--max-tokens", "24", stdin="Hello!\nTell me a story.\n", server=url)
            self.assertEqual([m["role"] for m in answer["messages"]], ["user", "assistant"] * 2)
            self.assertTrue(all(m["content"] for m in answer["messages"]))
            # The second prompt holds the first exchange.
            self.assertGreater(answer["usage"]["prompt_tokens"], 20)
        plain = waferctl("chat", "--max-tokens", "8", "--message", "Hello!", server=self.servers["http"])
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertTrue(plain.stdout.strip())

    def test_a_bench_counts_what_the_server_says(self):
        for door, url in self.servers.items():
            for arrival in (("--concurrency", "4"), ("--rate", "40")):
                with tempfile.TemporaryDirectory() as folder, self.subTest(door=door, arrival=arrival):
                    log = pathlib.Path(folder) / "requests.jsonl"
                    report = self.ask("bench", "run", "--model", MODEL, "--num-prompts", "12", "--output-tokens", "10",
                                      "--ignore-eos", "--requests", str(log), "--goodput", "ttft:60000", *arrival,
                                      server=url)
                    self.assertEqual((report["completed"], report["failed"]), (12, 0))
                    self.assertEqual(report["total_output_tokens"], 120)
                    self.assertEqual(report["itl_counts"], "tokens")
                    self.assertGreater(report["total_input_tokens"], 12 * 16)
                    for name in ("ttft", "tpot", "itl", "e2el"):
                        self.assertLessEqual(report[f"median_{name}_ms"], report[f"p99_{name}_ms"])
                    self.assertGreater(report["mean_emulated_ttft_ms"], 0)
                    self.assertGreater(report["mean_emulated_tpot_ms"], 0)
                    self.assertAlmostEqual(report["request_goodput"], report["request_throughput"])
                    lines = [json.loads(line) for line in log.read_text().splitlines()]
                    self.assertEqual([line["index"] for line in lines], list(range(12)))
                    # A token never leaves before its instant: seen from outside, no request is faster than the
                    # emulated hardware.
                    for line in lines:
                        self.assertEqual(len(line["itl_ms"]), 9)
                        self.assertGreaterEqual(line["ttft_ms"], line["emulated_ttft_ms"])
                        self.assertGreaterEqual(line["e2el_ms"], line["emulated_e2el_ms"])

    def test_refusals_say_the_same_through_both_doors(self):
        for door, url in self.servers.items():
            with self.subTest(door=door):
                gone = waferctl("complete", "x", "--model", "gone", "--json", server=url)
                self.assertEqual(gone.returncode, 1)
                error = json.loads(gone.stderr)["error"]
                self.assertEqual(error["code"], "NOT_FOUND")
                self.assertIn("gone", error["message"])
                long = waferctl("complete", "-", "--model", MODEL, "--json", stdin="word " * 20000, server=url)
                self.assertEqual(json.loads(long.stderr)["error"]["code"], "INVALID_ARGUMENT")

    def test_nobody_there(self):
        nobody = waferctl("models", server="http://127.0.0.1:9")
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("make serve", nobody.stderr)

    def test_the_environment_names_the_server(self):
        result = waferctl("models", env={"WAFERLINE_SERVER": self.servers["grpc"]})
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(MODEL, result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
