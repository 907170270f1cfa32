"""Law 7: what /metrics says about TTFT and token latency is what clients measure.

Emulated time: clients ask for the instants of their tokens; sums and counts over all requests must be those of /metrics, to
the rounding of a sum of doubles. Wall time: no token comes before its instant (law 5), and the mean TTFT measured by clients is
the server's own within the time that a loaded machine needs to hand bytes over.
"""

import concurrent.futures

import pytest

from cloud import Metrics, Waferd, first_model, post, stream

REQUESTS = 24
TOKENS = 20
HAND_OVER_SECONDS = 0.25  # from the server's write to a Python thread that reads it; machines with 2 cores, all tests at once


def one(url, model, seed):
    """(instants in ns, wall seconds of each instant's event)"""
    instants, walls = [], []
    body = {"model": model, "prompt": "Once upon a time", "max_tokens": TOKENS, "seed": seed, "ignore_eos": True}
    for wall, event in stream(url, "/v1/completions", body, {"x-waferline-instants": "true"}):
        fresh = event.get("waferline", {}).get("instants_ns", [])
        instants += fresh
        walls += [wall] * len(fresh)
    return instants, walls


class Measured:
    """What clients saw of the same requests, and what /metrics gained by them."""

    def __init__(self):
        with Waferd("deploy/config/demo.yaml") as server:
            self.model = first_model(server.http)
            self.before = Metrics(server.http)
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                self.results = list(pool.map(lambda seed: one(server.http, self.model, seed), range(REQUESTS)))
            self.after = Metrics(server.http)

    def delta(self, name):
        return self.after.sum(name, model_name=self.model) - self.before.sum(name, model_name=self.model)


@pytest.fixture(name="measured", scope="module")
def measure():
    return Measured()


def test_every_token_is_counted(measured):
    assert all(len(instants) == TOKENS for instants, _ in measured.results), "ignore_eos gives every token"
    assert measured.delta("vllm:generation_tokens_total") == REQUESTS * TOKENS


@pytest.mark.parametrize("name", ("waferline_emulated_time_to_first_token_seconds", "vllm:time_to_first_token_seconds"))
def test_first_tokens_took_as_long_as_clients_saw(measured, name):
    first = [instants[0] / 1e9 for instants, _ in measured.results]
    assert measured.delta(name + "_count") == len(first)
    assert measured.delta(name + "_sum") == pytest.approx(sum(first), rel=0, abs=1e-6)


@pytest.mark.parametrize("name", ("waferline_emulated_inter_token_seconds", "vllm:inter_token_latency_seconds"))
def test_gaps_were_as_long_as_clients_saw(measured, name):
    gaps = [(b - a) / 1e9 for instants, _ in measured.results for a, b in zip(instants, instants[1:])]
    assert measured.delta(name + "_count") == len(gaps)
    assert measured.delta(name + "_sum") == pytest.approx(sum(gaps), rel=0, abs=1e-6)


def test_no_token_left_before_its_instant(measured):
    assert min(wall - instant / 1e9 for instants, walls in measured.results for instant, wall in zip(instants, walls)) >= 0


def test_clients_and_the_server_measure_the_same_wall_time(measured):
    name = "waferline_host_time_to_first_token_seconds"
    server_mean = measured.delta(name + "_sum") / measured.delta(name + "_count")
    client_mean = sum(walls[0] for _, walls in measured.results) / REQUESTS
    assert client_mean >= server_mean, "a client cannot see a token before the server wrote it"
    assert client_mean == pytest.approx(server_mean, rel=0, abs=HAND_OVER_SECONDS)


def test_a_scrape_counts_what_ended_before_it_was_asked():
    """Also if the last scrape was just before: readers share no text that is older than their question."""
    with Waferd("deploy/config/demo.yaml") as server:
        model, counted = first_model(server.http), []
        for _ in range(30):
            post(server.http, "/v1/completions", {"model": model, "prompt": "Once", "max_tokens": 1})
            counted.append(Metrics(server.http).sum("vllm:generation_tokens_total", model_name=model))
        assert counted == list(range(1, 31))
