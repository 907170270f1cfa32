"""The experts of each shard's layers over several workers, in one process and as processes: the same texts, as many bytes as the tokens
routed to other workers have, and requests that end when a worker of experts is killed.
"""

import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from cloud import BIN, ROOT, Waferd, Workers, post, waferctl_json

LAYERS, EXPERTS, HIDDEN, CHOSEN = 4, 16, 64, 3
CONFIG = """clock: {{kind: real, scale: 1000}}
models:
  - name: experts
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""
REQUESTS = [{"prompt": "abc", "temperature": 0},
            {"prompt": "the storm came over the harbour " * 3, "temperature": 0.9, "seed": 7, "logprobs": 2}]


class ExpertWorkers(Workers):
    """Two shards with experts 0 to 3 of their layers, and a worker for each other quarter of the experts."""

    def __init__(self, model):
        super().__init__(model, LAYERS, 2)
        first = EXPERTS // 4
        others = [["--role", "experts", "--layers", f"0:{LAYERS}", "--experts", f"{a}:{a + first}"] for a in range(first, EXPERTS, first)]
        self.experts = Workers(model, LAYERS, 1)
        self.experts.flags = others
        self.own = ["--experts", f"0:{first}"]

    def __enter__(self):
        self.experts.__enter__()
        for flags in self.flags[1:]:
            flags += [*self.own, "--expert-workers", ",".join(self.experts.addresses)]
        try:
            return super().__enter__()
        except BaseException:
            self.experts.__exit__()
            raise

    def __exit__(self, *exc):
        super().__exit__(*exc)
        return self.experts.__exit__(*exc)


@pytest.fixture(name="model", scope="module")
def written_model(tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / "experts.gguf"
    subprocess.run([BIN / "random_model", "qwen3moe", "Q8_0", file, f"layers={LAYERS}", f"experts={EXPERTS}", f"experts_used={CHOSEN}",
                    f"hidden={HIDDEN}"], check=True)
    return file


def serve(folder, tokens):
    config = folder / "cloud.yaml"
    config.write_text(CONFIG.format(tokens=tokens))
    return Waferd(config)


def ask(url, number):
    return post(url, "/v1/completions", {"model": "experts", "max_tokens": 30, "ignore_eos": True, **REQUESTS[number]})["choices"][0]


def ready(url):
    try:
        return urllib.request.urlopen(url + "/ready").status == 200
    except urllib.error.HTTPError:
        return False


def metric(url, name):
    """{label value: number} of the one label besides model_name."""
    text = urllib.request.urlopen(url + "/metrics").read().decode()
    found = re.findall(rf'^{name}\{{([^}}]*)\}} ([0-9.e+]+)$', text, re.M)
    return {re.search(r'(?:expert|shard)="(\d+)"', labels).group(1): float(value) for labels, value in found}


def routed_and_bytes(url):
    routed = len(REQUESTS) * 29 * CHOSEN * LAYERS  # the first token of each request comes from the prefill
    deadline = time.monotonic() + 10
    tokens = {}
    while sum(tokens.values()) != routed and time.monotonic() < deadline:  # processes report when a sequence has left
        tokens = metric(url, "waferline_expert_tokens_total")
    assert len(tokens) == EXPERTS and sum(tokens.values()) == routed, tokens
    elsewhere = sum(count for expert, count in tokens.items() if int(expert) >= EXPERTS // 4)
    return elsewhere, sum(metric(url, "waferline_compute_expert_bytes_total").values())


@pytest.fixture(name="alone", scope="module")
def one_worker(model, tmp_path_factory):
    with serve(tmp_path_factory.mktemp("alone"), f"{{from: shards, file: {model}}}") as server:
        found = [ask(server.http, i) for i in range(len(REQUESTS))]
        assert routed_and_bytes(server.http)[1] == 0
        return found


def test_in_one_process_over_four_workers(model, alone, tmp_path):
    with serve(tmp_path, f"{{from: shards, file: {model}, shards: 2, experts: {{over: 4}}}}") as server:
        assert [ask(server.http, i) for i in range(len(REQUESTS))] == alone
        elsewhere, passed = routed_and_bytes(server.http)
        assert passed == elsewhere * HIDDEN * 4


def test_as_processes_and_when_one_is_killed(model, alone, tmp_path):
    with ExpertWorkers(model) as workers:
        with serve(tmp_path, workers.tokens.replace("{from: remote", "{from: remote, worker_outage_ms: 2000, outage_patience_ms: 2000")) as server:
            assert [ask(server.http, i) for i in range(len(REQUESTS))] == alone
            elsewhere, passed = routed_and_bytes(server.http)
            assert passed == elsewhere * HIDDEN * 4
            workers.experts.kill(1)
            try:
                with pytest.raises(urllib.error.HTTPError) as ended:
                    ask(server.http, 0)
                message = ended.value.read().decode()
                assert ended.value.code == 503 and f"the worker of experts at {workers.experts.addresses[1]}" in message, message
            finally:
                workers.experts.start(1)
            deadline = time.monotonic() + 10
            while not ready(server.http):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert [ask(server.http, i) for i in range(len(REQUESTS))] == alone


SHAPE = """name: measured
layers: 24
hidden: 4096
heads: 32
kv_heads: 8
head_dim: 128
vocab: 32000
experts: {{total: {total}, active: {active}, width: 4096{tokens}}}
"""


def predicted(folder, tokens):
    """Of eight GPUs with four users."""
    file = folder / "measured.yaml"
    given = f", tokens: {[int(count) for count in tokens]}" if tokens else ""
    file.write_text(SHAPE.format(total=EXPERTS, active=CHOSEN, tokens=given))
    return waferctl_json("wafer", "predict", "--model", file, "--hardware", "h200", "--devices", "8", "--users", "4",
                         "--json")["tokens_per_second"]


def test_what_was_measured_is_timed(model, tmp_path):
    with serve(tmp_path, f"{{from: shards, file: {model}}}") as server:
        for i in range(len(REQUESTS)):
            ask(server.http, i)
        routed_and_bytes(server.http)
        measured = metric(server.http, "waferline_expert_tokens_total").values()
    even = predicted(tmp_path, [])
    assert predicted(tmp_path, [7] * EXPERTS) == pytest.approx(even)
    assert even * 1.001 < predicted(tmp_path, measured) < even * EXPERTS  # tokens share what they like: fewer weights are read


def test_what_does_not_fit_is_refused_by_name(model, tmp_path):
    for tokens, said in ((f"{{from: shards, file: {model}, experts: {{over: 17}}}}", "experts over: 17 is out of range [1, 16]"),
                         (f"{{from: shards, file: {model}, experts: {{}}}}", "tokens.experts.over: is missing"),
                         (f"{{from: remote, file: {model}, prefill_worker: 'a:1', shard_workers: [{{address: 'a:2'}}], "
                          "experts: {over: 2}}", "each shard process says by --experts")):
        config = tmp_path / "cloud.yaml"
        config.write_text(CONFIG.format(tokens=tokens))
        out = subprocess.run([BIN / "waferd", "--config", config, "--http-port", "0", "--grpc-port", "0"], capture_output=True, text=True,
                             timeout=60)
        assert out.returncode == 1 and said in out.stderr, out.stderr
    for flags, said in ((["--experts", "0:20"], "experts 0 to 20 (exclusive) out of range [0, 16)"),
                        (["--experts", "0:4"], "needs the workers of the others"),
                        (["--experts", "4:4"], "--experts is \"4:4\", must be FIRST:END")):
        out = subprocess.run([BIN / "waferd", "--role", "shard", "--model", model, "--layers", "0:4", *flags], capture_output=True,
                             text=True, timeout=60)
        assert out.returncode == 1 and said in out.stderr, out.stderr
    # A model without experts; also where the layers are assigned much later.
    for layers in ("0:2", "any"):
        for flags in (["--experts", "0:1"], ["--expert-workers", "127.0.0.1:1"]):
            out = subprocess.run([BIN / "waferd", "--role", "worker", "--model", ROOT / "deploy/models/demo.gguf", "--layers", layers, *flags],
                                 capture_output=True, text=True, timeout=60)
            assert out.returncode == 1 and "has no experts: --experts and --expert-workers have no effect" in out.stderr, out.stderr
