"""The few requests that integration tests send: plain HTTP, streams read event by event with the time they came."""

import json
import http.client
import re
import time
import urllib.request


def get(url):
    with urllib.request.urlopen(url, timeout=20) as reply:
        return reply.read().decode()


def first_model(url):
    return json.loads(get(url + "/v1/models"))["data"][0]["id"]


def post(url, path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return json.load(reply)


def stream(url, path, body, headers=None):
    """Yields (seconds since just before the send, event) for each event of a stream."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        data = json.dumps({**body, "stream": True})
        started = time.perf_counter()
        connection.request("POST", path, data, {"content-type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        if reply.status != 200:
            raise RuntimeError(f"{reply.status}: {reply.read().decode()}")
        for line in reply:
            if line.startswith(b"data: {"):
                yield time.perf_counter() - started, json.loads(line[6:])
            elif line.startswith(b"data: [DONE]"):
                reply.read()
                return
        raise RuntimeError("the stream ended without [DONE]")
    finally:
        connection.close()


SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")


class Metrics:
    """One scrape of /metrics."""

    def __init__(self, url):
        self.samples = []
        for line in get(url + "/metrics").splitlines():
            if match := SAMPLE.match(line):
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
                self.samples.append((match.group(1), labels, float(match.group(3))))

    def names(self):
        return {name for name, _, _ in self.samples}

    def sum(self, name, **labels):
        found = [value for sample, has, value in self.samples
                 if sample == name and all(has.get(key) == wanted for key, wanted in labels.items())]
        if not found:
            raise KeyError(f"{name} {labels} is not exported")
        return sum(found)
