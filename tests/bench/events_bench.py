"""What the HTTP front end carries, without a model: events a second, and how well many streams keep their pace. Two Markdown tables.

    python3 tests/bench/events_bench.py [--rounds 5] [--pace 1x1,64x1,256x9,1000x36] [--tokens 4000]

Workload: synthetic text, completions of --tokens tokens, greedy, ignore_eos, streamed; all streams at once; the client counts events in
what each read brings, in one thread on the same cores.

Events: 64 streams, the clock a million times too fast, so that nothing waits for its instant. `token_events` asks for an event a token
however far the writer is behind; without it tokens share events. CPU is the server's, all threads, and the client's.

Pace: the clock as fast as the wall. STREAMSxUNITS: so many streams over so many wafers. Asked is what the emulated hardware gives a
stream after its first token; kept is what came on the wall, as a share of it, the median and the slowest stream. Lateness: of each
token, when the engine hands it over, after its instant (waferline_token_lateness_seconds).
"""

import argparse
import json
import pathlib
import selectors
import socket
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import Metrics, Waferd, cpu_seconds  # noqa: E402

CONFIG = """clock: {{kind: real, scale: {scale}}}
models:
  - name: m
    shape: llama-3.1-8b
    context: 8192
    prefill: {{hardware: h100, workers: 128}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: {streams}, units: {units}}}]
    tokens: {{from: cheap, file: {model}}}
"""


class Stream:
    """One answer, read as it comes: counts, not texts."""

    def __init__(self, address, request):
        self.socket = socket.create_connection(address)
        self.socket.sendall(request)
        self.socket.setblocking(False)
        self.events = 0
        self.first = self.last = None
        self.tail = b""

    def read(self):
        """False: the answer is over."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server closed a stream")
        self.last = time.perf_counter()
        self.events += data.count(b"data: {")
        if self.events and self.first is None:  # the head comes when the request is admitted
            self.first = self.last
        self.tail = (self.tail + data)[-2048:]
        return b"data: [DONE]" not in self.tail

    def decode_seconds(self):
        """The emulated time of its tokens after the first."""
        last_event = next(line for line in reversed(self.tail.split(b"\n")) if line.startswith(b"data: {"))
        return json.loads(last_event[6:])["time_info"]["completion_time"]


def ask(server, streams, tokens, token_events):
    host, port = server.http.removeprefix("http://").split(":")
    body = json.dumps({"model": "m", "prompt": "one two three", "max_tokens": tokens, "ignore_eos": True, "temperature": 0, "stream": True,
                       "stream_options": {"include_usage": True}, "waferline": {"token_events": token_events}}).encode()
    request = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with selectors.EpollSelector() as selector:
        all_streams = [Stream((host, int(port)), request) for _ in range(streams)]
        for stream in all_streams:
            selector.register(stream.socket, selectors.EVENT_READ, stream)
        left = streams
        while left:
            for key, _ in selector.select(60):
                if not key.data.read():
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    left -= 1
    return all_streams


def serve(folder, scale, streams, units):
    path = pathlib.Path(folder) / "bench.yaml"
    path.write_text(CONFIG.format(scale=scale, streams=streams, units=units, model=ROOT / "deploy/models/demo.gguf"))
    return Waferd(path)


def events(rounds, tokens):
    print("| event a token | events/s | range | server CPU us an event | client |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, serve(folder, "1.0e+6", 64, 1) as server:
        for token_events in (True, False):
            rates, server_us, client_us = [], [], []
            for _ in range(rounds):
                cpu, own, begin = cpu_seconds(server.pid), time.process_time(), time.perf_counter()
                count = sum(stream.events for stream in ask(server, 64, tokens, token_events))
                rates.append(count / (time.perf_counter() - begin))
                server_us.append(1e6 * (cpu_seconds(server.pid) - cpu) / count)
                client_us.append(1e6 * (time.process_time() - own) / count)
            print(f"| {'yes' if token_events else 'no'} | {statistics.median(rates):,.0f} | {min(rates):,.0f} to {max(rates):,.0f} "
                  f"| {statistics.median(server_us):.2f} | {statistics.median(client_us):.2f} |", flush=True)


def pace(streams, units, tokens):
    with tempfile.TemporaryDirectory() as folder, serve(folder, 1, streams, units) as server:
        cpu = cpu_seconds(server.pid)
        answers = ask(server, streams, tokens, False)
        cpu = cpu_seconds(server.pid) - cpu
        metrics = Metrics(server.http)
    asked = [(tokens - 1) / stream.decode_seconds() for stream in answers]
    kept = [(tokens - 1) / (stream.last - stream.first) / rate for stream, rate in zip(answers, asked)]
    late = [1e3 * metrics.quantile("waferline_token_lateness_seconds", share) for share in (0.5, 0.99)]
    seconds = max(stream.last for stream in answers) - min(stream.first for stream in answers)
    count = sum(stream.events for stream in answers)
    print(f"| {streams} | {units} | {statistics.median(asked):,.0f} | {statistics.median(kept):.3f} | {min(kept):.3f} | {late[0]:.3f} "
          f"| {late[1]:.3f} | {count / seconds:,.0f} | {streams * tokens / seconds:,.0f} | {1e6 * cpu / count:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--pace", default="1x1,64x1,256x9,1000x36")
    options = parser.parse_args()
    events(options.rounds, options.tokens)
    print("\n| streams | wafers | asked tokens/s each | kept, median | slowest | late p50 ms | p99 | events/s | tokens/s | CPU us an event |\n"
          "|---|---|---|---|---|---|---|---|---|---|")
    for pair in options.pace.split(","):
        pace(*map(int, pair.split("x")), options.tokens)


if __name__ == "__main__":
    main()
