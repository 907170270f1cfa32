"""Two servers with the same workers: the first has them, the second is refused by name until the first has left. No stream is hurt."""

import threading

import pytest

from cloud import ROOT, Metrics, Waferd, Workers, layer_count, stream

MODEL = ROOT / "deploy/models/demo.gguf"
CONFIG = """clock: {{kind: real, scale: 100}}
models:
  - name: far
    shape: llama-3.1-8b
    prefill: {{hardware: h100}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 16}}]
    tokens: {tokens}
"""
BODY = {"model": "far", "prompt": "Once there was a baker who", "temperature": 0, "max_tokens": 200, "ignore_eos": True}


def text_of(server):
    return "".join(event["choices"][0]["text"] for _, event in stream(server.http, "/v1/completions", BODY) if event["choices"])


def test_the_second_server_is_refused_while_the_first_lives(tmp_path):
    config = tmp_path / "cloud.yaml"
    with Workers(MODEL, layer_count(MODEL), 2) as workers:
        config.write_text(CONFIG.format(tokens=workers.tokens.replace("{from: remote", "{from: remote, worker_outage_ms: 1500")))
        with Waferd(config) as first:
            want = text_of(first)
            texts, stop = [], threading.Event()

            def keep_asking():
                while not stop.is_set():
                    texts.append(text_of(first))

            client = threading.Thread(target=keep_asking)
            client.start()
            try:
                with pytest.raises(RuntimeError) as refused, Waferd(config):
                    pass
            finally:
                stop.set()
                client.join()
            assert "owns this" in str(refused.value) and "is alive" in str(refused.value)
            assert any("is alive" in workers.log(number) for number in range(3))
            assert texts and set(texts) == {want}
            assert Metrics(first.http).sum("waferline_host_recoveries_total") == 0
        with Waferd(config) as second:
            assert text_of(second) == want
