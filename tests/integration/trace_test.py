"""W3C trace context over HTTP and gRPC, and spans at a real receiver (OpenTelemetry's own protocol package).

Where the receiver's packages cannot be had from PyPI the tests that need them are skipped.
"""

import datetime
import json
import os
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from cloud import ONE_MODEL, ROOT, Waferd, get, waferctl
from programs import installed

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Receiver:
    def __init__(self, slow=0):
        self.slow = slow
        self.spans = []

    def __enter__(self):
        python = installed("otlp", "grpcio", "opentelemetry-proto") / "bin/python"
        self.process = subprocess.Popen([python, ROOT / "tests/support/otlp_receiver.py", str(self.slow)], stdout=subprocess.PIPE,
                                        text=True)
        self.endpoint = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        threading.Thread(target=lambda: self.spans.extend(map(json.loads, self.process.stdout)), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait(10)

    def wait_for(self, count):
        ended = time.monotonic() + 15
        while len(self.spans) < count:
            assert time.monotonic() < ended, self.spans
            time.sleep(0.05)
        return self.spans


def configuration(folder, text=""):
    path = folder / "server.yaml"
    path.write_text(text + ONE_MODEL)
    return path


def complete(url, headers=None, path="/v1/completions", **body):
    body = {"model": "demo", "max_tokens": 8, "prompt": "a", **body}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.headers, reply.read()


def test_a_context_is_passed_back_where_nothing_is_traced(tmp_path):
    with Waferd(configuration(tmp_path)) as server:
        given = f"00-{TRACE}-{PARENT}-01"
        for value, state, back in ((given, "a=1,b=2", "a=1,b=2"), (given, "A=1", None), ("cc" + given[2:] + "-x", None, None)):
            headers = {"traceparent": value, **({"tracestate": state} if state else {})}
            got, _ = complete(server.http, headers)
            assert got["traceparent"] == given and got["tracestate"] == back
        for wrong in ("", "00-" + "0" * 32 + f"-{PARENT}-01", given.upper(), given + "-x", "ff" + given[2:]):
            assert complete(server.http, {"traceparent": wrong, "tracestate": "a=1"})[0]["traceparent"] is None
        # Refusals carry it, too.
        with pytest.raises(urllib.error.HTTPError) as refused:
            complete(server.http, {"traceparent": given}, model="none")
        assert refused.value.headers["traceparent"] == given


def test_spans_of_a_request_at_a_real_receiver(tmp_path):
    with Receiver() as receiver, Waferd(configuration(tmp_path, f"trace: {{otlp: '{receiver.endpoint}'}}\n")) as server:
        headers, _ = complete(server.http, {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=x"}, n=2,
                              prompt="secret words")
        spans = receiver.wait_for(9)
        assert len(spans) == 9
        whole = spans[-1]
        assert headers["traceparent"] == f"00-{TRACE}-{whole['span']}-01" and headers["tracestate"] == "vendor=x"
        assert (whole["trace"], whole["parent"], whole["state"], whole["kind"]) == (TRACE, PARENT, "vendor=x", 2)
        assert whole["name"] == "text_completion demo" and whole["resource"]["service.name"] == "waferd"
        attributes = whole["attributes"]
        assert attributes["gen_ai.request.model"] == "demo" and attributes["gen_ai.usage.output_tokens"] == "16"
        assert attributes["gen_ai.response.id"] == headers["x-request-id"]
        for choice in ("0", "1"):
            stages = [span for span in spans[:-1] if span["attributes"]["waferline.choice"] == choice]
            assert [span["name"] for span in stages] == ["queue", "prefill", "transfer", "decode"]
            assert {span["parent"] for span in stages} == {whole["span"]} and {span["trace"] for span in stages} == {TRACE}
            assert all(a["end"] == b["begin"] for a, b in zip(stages, stages[1:]))
            assert stages[0]["begin"] == whole["begin"] and stages[-1]["end"] <= whole["end"]
            assert all(span["begin"] <= span["end"] for span in stages)
            assert all(int(span["attributes"]["waferline.emulated_ns"]) > 0 for span in stages[1:])
            total = sum(int(span["attributes"]["waferline.emulated_ns"]) for span in stages)
            assert total <= int(attributes["waferline.emulated_ns"])
        assert abs(whole["begin"] / 1e9 - time.time()) < 60
        assert len({span["span"] for span in spans}) == 9
        assert "secret" not in json.dumps(spans)
        # An unsampled parent, and gRPC without one.
        complete(server.http, {"traceparent": f"00-{TRACE}-{PARENT}-00"})
        assert waferctl("complete", "a", "--max-tokens", 4, "--server", server.doors["grpc"]).returncode == 0
        spans = receiver.wait_for(14)
        assert spans[13]["parent"] == "" and spans[13]["trace"] != TRACE and len(spans) == 14
        # A refused request has an error, without what was asked.
        with pytest.raises(urllib.error.HTTPError):
            complete(server.http, {"traceparent": f"00-{TRACE}-{PARENT}-01", "queue_threshold": "0"}, prompt="a " * 3000)
        time.sleep(1.5)
        assert re.search(r'waferline_trace_spans_total\{result="dropped"\} 0', get(server.http + "/metrics"))


def test_the_log_as_json_has_requests_without_their_text(tmp_path):
    with Waferd(configuration(tmp_path), "--log", "json") as server:
        headers, answer = complete(server.http, {"traceparent": f"00-{TRACE}-{PARENT}-01"}, prompt="secret words")
        assert waferctl("complete", "secret", "--max-tokens", 4, "--server", server.doors["grpc"]).returncode == 0
        with pytest.raises(urllib.error.HTTPError):
            complete(server.http, prompt="secret " * 20000)
        server.stop()
        lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
        requests = [line for line in lines if line["event"] == "request"]
        assert [line["endpoint"] for line in requests] == ["/v1/completions", "grpc"]
        first = requests[0]
        assert first["trace_id"] == TRACE and first["request_id"] == headers["x-request-id"] and first["model"] == "demo"
        assert (first["finish"], first["generated_tokens"], first["level"]) == ("length", 8, "info")
        assert abs(datetime.datetime.fromisoformat(first["ts"].replace("Z", "+00:00")).timestamp() - time.time()) < 60
        assert "trace_id" not in requests[1]
        assert "secret" not in server.log() and json.loads(answer)["choices"][0]["text"] not in server.log()


def test_metrics_by_name(tmp_path):
    with Waferd(configuration(tmp_path)) as server:
        for query in ("name[]=waferline_draining&name[]=waferline_blocked", "name%5B%5D=waferline_draining&name%5B%5D=waferline_blocked"):
            text = get(server.http + "/metrics?" + query)
            assert set(re.findall(r"^# HELP (\S+)", text, re.M)) == {"waferline_draining", "waferline_blocked"}
            assert len(text) < 500 < len(get(server.http + "/metrics"))


def test_a_share_of_requests_is_traced(tmp_path):
    with Receiver() as receiver, Waferd(configuration(tmp_path, "trace: {ratio: 0.25}\n")) as _:
        pass
    with Receiver() as receiver:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.endpoint
        try:
            with Waferd(configuration(tmp_path, "trace: {ratio: 0.25}\n")) as server:
                traced = sum("traceparent" in complete(server.http, max_tokens=1)[0] for _ in range(400))
                assert 60 < traced < 140
        finally:
            del os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
        assert len([span for span in receiver.wait_for(traced) if span["name"].startswith("text")]) <= traced


def test_a_slow_collector_and_a_dead_one_cost_spans_and_no_time(tmp_path):
    with Receiver(slow=600) as receiver, Waferd(configuration(tmp_path, f"trace: {{otlp: '{receiver.endpoint}'}}\n")) as server:
        # It takes 512 spans in 5 s at most: 65 of each request are more.
        def dropped():
            return int(re.search(r'waferline_trace_spans_total\{result="dropped"\} (\d+)', get(server.http + "/metrics")).group(1))
        ended = time.monotonic() + 120
        while dropped() == 0:
            assert time.monotonic() < ended
            complete(server.http, max_tokens=2, n=16)
        receiver.process.kill()
        complete(server.http)
        ended = time.monotonic() + 20
        while "spans do not reach" not in server.log():
            assert time.monotonic() < ended
            time.sleep(0.2)


def test_an_endpoint_that_is_none_is_refused(tmp_path):
    for wrong in ("ftp://a:1", "http://", "nothing", "http://a:1/path"):
        with pytest.raises(RuntimeError, match="trace.otlp.*is not an endpoint"):
            Waferd(configuration(tmp_path, f"trace: {{otlp: '{wrong}'}}\n")).__enter__()
