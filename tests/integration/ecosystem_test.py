"""Other projects' routers, unmodified, in front of waferd in a network that has only loopback: Dynamo's frontend with its vLLM and its
OpenEngine sidecar, SMG, vllm-router, each with one server for everything and with one for prompts and one for tokens. What a request gives
through a router is what it gives at the server; a client that goes away, at whatever stage, leaves nothing. Prints one table of all doors."""

import itertools
import json
import time
import urllib.error

import pytest

import routers
from cloud import ROOT, Metrics, Waferd, post, waferctl
from doors import DOORS, MODEL, HttpCall, HttpDoor, load_messages
from etcd import free_port
from programs import LoopbackOnly, wait_for

KEY = "0123456789abcdef"
PROMPT = "The old ferryman looked at the river and"
TABLE = {
    "greedy": {"temperature": 0, "max_tokens": 24},
    "drawn": {"temperature": 1.0, "seed": 7, "max_tokens": 24},
    "few": {"temperature": 0.9, "seed": 8, "top_k": 12, "top_p": 0.8, "max_tokens": 24},
    "stop": {"temperature": 0, "stop": [" the"], "max_tokens": 64},
    "to the end": {"temperature": 1.0, "seed": 3, "max_tokens": 400},
}
STATES = ["queued", "prefilling", "decoding"]
# Through which program: its context, its arguments.
ROUTERS = {
    "Dynamo, vllm": lambda folder, hf, servers: routers.dynamo(folder, "vllm", servers),
    "Dynamo, openengine": lambda folder, hf, servers: routers.dynamo(folder, "openengine", servers, hf=hf),
    "SMG": lambda folder, hf, servers: routers.smg(folder, servers, hf=hf),
    "vllm-router": lambda folder, hf, servers: routers.vllm_router(folder, servers),
}
SPLIT = {
    "Dynamo, vllm, two cells": lambda folder, hf, prefill, decode: routers.dynamo(folder, "vllm", prefill, decode),
    "Dynamo, openengine, two cells": lambda folder, hf, prefill, decode: routers.dynamo(folder, "openengine", prefill, decode, hf=hf),
    "SMG, two cells": lambda folder, hf, prefill, decode: routers.smg(folder, prefill, decode, hf=hf),
    "vllm-router, two cells": lambda folder, hf, prefill, decode: routers.vllm_router(folder, prefill, decode),
}
PROGRAMS = {"Dynamo": routers.dynamo_program, "SMG": routers.smg_program, "vllm-router": routers.vllm_router_program}
RESULTS = {}


def install(name):
    """Before the network is taken away."""
    PROGRAMS[name.split(",")[0]]()


def configuration(folder, name, hf, more, clock):
    path = folder / f"{name}.yaml"
    path.write_text(f"""
clock: {{kind: {clock}}}
engine_api: {{vllm: true, openengine: true, smg: true, model_source: {hf}}}
{more}
models:
  - name: {MODEL}
    shape: llama-3.1-8b
    prefill: {{hardware: h100, workers: 1, cache_tokens: 65536}}
    decode: [{{hardware: wse-3, profile: vendor-2024, max_running: 1}}]
    tokens: {{from: shards, file: {ROOT}/deploy/models/demo.gguf}}
""")
    return path


@pytest.fixture(name="hf", scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hf") / "demo"
    done = waferctl("model", "export-hf", ROOT / "deploy/models/demo.gguf", folder)
    assert done.returncode == 0, done.stderr
    return folder


class TextDoor(HttpDoor):
    """A text to /v1/completions: routers show no ids."""

    def body(self, prompt, fields):
        return {"model": self.model, "prompt": prompt, **fields}

    def whole(self, prompt, fields):
        seen = super().whole(prompt, fields)
        seen.ids = []
        return seen


class ChatDoor:
    """One message to a route of chats; `field` has the number of tokens."""

    def __init__(self, server, path):
        self.url, self.path = server.http, path

    def body(self, fields):
        fields = dict(fields)
        tokens = fields.pop("max_tokens")
        if self.path == "/v1/responses":
            return {"model": MODEL, "input": PROMPT, "max_output_tokens": tokens, **fields}
        return {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": tokens, **fields}

    def text(self, fields):
        answer = post(self.url, self.path, self.body(fields))
        if self.path == "/v1/chat/completions":
            return answer["choices"][0]["message"]["content"]
        parts = answer["content"] if self.path == "/v1/messages" else answer["output"][0]["content"]
        return "".join(part["text"] for part in parts)

    def start(self, fields):
        return HttpCall(self.url, self.path, self.body(fields))


def load_of(server):
    metrics = Metrics(server.http)
    return {name: metrics.sum(name) for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")}


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


def nothing_in_flight(servers):
    for server in servers:
        wait_until(lambda server=server: not any(load_of(server).values()), "something is left")


def phases(server):
    look = json.loads(waferctl("requests", "--server", server.http, "--json").stdout)
    return [request["phase"] for request in look["requests"] if not request.get("end")]


LONG = {"temperature": 0, "ignore_eos": True, "max_tokens": 800}


def cancel_at(state, start, server):
    """Starts a request whose client goes away at this stage. The server decodes one request at a time."""
    other = None
    if state == "queued":
        other = DOORS["HTTP completions"](server, None).start([5] * 8, LONG)
        other.read_one()
    call = start()
    wanted = {"queued": "queue", "prefilling": "prefill", "decoding": "decode"}[state]
    wait_until(lambda: wanted in phases(server), f"no request is {state}")
    call.cancel()
    if other is not None:
        wait_until(lambda: phases(server) == ["decode"], "it still waits")
        other.cancel()
    nothing_in_flight([server])


@pytest.fixture(name="fast", scope="module")
def quick_server(tmp_path_factory, hf):
    with Waferd(configuration(tmp_path_factory.mktemp("fast"), "one", hf, "", "stepped")) as server:
        yield server


@pytest.fixture(name="expected", scope="module")
def from_the_server(fast):
    """What each request gives without a router, by the length of its prompt: some routers put the begin token before it, some do not."""
    with_begin = post(fast.http, "/tokenize", {"model": MODEL, "prompt": PROMPT})["tokens"]
    prompts = [with_begin, with_begin[1:]]
    return with_begin, {len(ids): {name: HttpDoor(fast).whole(ids, fields).facts() for name, fields in TABLE.items()} for ids in prompts}


@pytest.fixture(name="messages", scope="module")
def loaded(tmp_path_factory):
    return load_messages(tmp_path_factory.mktemp("grpc"))


@pytest.fixture(name="slow", scope="module")
def slow_server(tmp_path_factory, hf):
    """A prefill takes seconds, so that a client can go away during it."""
    with Waferd(configuration(tmp_path_factory.mktemp("slow"), "one", hf, "", "real, scale: 0.01")) as server:
        yield server


def note(row, column, value):
    RESULTS.setdefault(row, {})[column] = value


@pytest.mark.parametrize("door", DOORS)
def test_each_door_gives_the_same(door, fast, slow, expected, messages):
    prompt, facts = expected[0], expected[1][len(expected[0])]
    for name, fields in TABLE.items():
        seen = DOORS[door](fast, messages).whole(prompt, fields).facts()
        if "vllm.grpc.engine" in door:
            seen["text"] = facts[name]["text"]
        assert seen == facts[name], (door, name)
        note(door, name, f"{len(seen['ids'])} same")
    for state in STATES:
        if door == "vllm.Inference, whole":
            continue  # a unary call, which the engine sees as the streamed one
        cancel_at(state, lambda: DOORS[door](slow, messages).start(prompt, LONG), slow)
        note(door, state, "freed")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_each_route_of_chats_gives_the_same(path, fast, slow, messages):
    door, chat = ChatDoor(fast, path), {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}]}
    prompt = post(fast.http, "/v1/chat/completions/render", chat)["token_ids"]
    names = ["greedy"] if path == "/v1/messages" else ["greedy", "drawn", "few"] if path == "/v1/chat/completions" else ["greedy", "drawn"]
    for name in names:
        seen = DOORS["waferline.v1"](fast, messages).whole(prompt, TABLE[name])
        assert door.text(TABLE[name]).strip() == seen.text.strip(), (path, name)
        note("HTTP " + path.removeprefix("/v1/"), name, f"{len(seen.ids)} same")
    long = {"temperature": 0, "max_tokens": 800}
    for state in STATES:
        cancel_at(state, lambda: ChatDoor(slow, path).start(long), slow)
        note("HTTP " + path.removeprefix("/v1/"), state, "freed")


def first_answer(url, model):
    """A router knows its model when the first server is there, and answers when all are."""
    def ask():
        try:
            return post(url, "/v1/completions", {"model": model, "prompt": PROMPT, "max_tokens": 1, "temperature": 0})
        except urllib.error.HTTPError as error:
            assert error.code in (404, 503), error.read()
            return None
    return wait_until(ask, "the router does not answer")


def through(url, expected, row, servers):
    model = json.loads(wait_for(url + "/v1/models"))["data"][0]["id"]
    door = TextDoor(url, model)
    usage = first_answer(url, model)["usage"]
    for name, fields in TABLE.items():
        seen, facts = door.whole(PROMPT, fields).facts(), expected[1][usage["prompt_tokens"]][name]
        assert (seen["text"], seen["ends"], seen["after the end"]) == (facts["text"], facts["ends"], 0), (row, name)
        note(row, name, f"{len(facts['ids'])} same")
    nothing_in_flight(servers)
    return door


@pytest.mark.parametrize("row", ROUTERS)
def test_a_router_in_front_of_one_server(row, tmp_path, hf, expected):
    install(row)
    with LoopbackOnly(), Waferd(configuration(tmp_path, "one", hf, "", "real, scale: 0.01")) as server:
        with ROUTERS[row](tmp_path, hf, [server]) as url:
            door = through(url, expected, row, [server])
            for state in STATES:
                # Other words each time: a prompt that is cached has no prefill that could be seen.
                prompt = f"{state} {PROMPT} " * 12
                cancel_at(state, lambda: door.start(prompt, LONG), server)
                note(row, state, "freed")


@pytest.mark.parametrize("row", SPLIT)
def test_a_router_in_front_of_two_cells(row, tmp_path, hf, expected):
    install(row)
    clock = "real, scale: 0.05"
    with LoopbackOnly(), Waferd(configuration(tmp_path, "prefill", hf, f"kv_transfer: {{role: prefill, key: {KEY}}}", clock)) as prefill, \
            Waferd(configuration(tmp_path, "decode", hf, f"kv_transfer: {{role: decode, key: {KEY}}}", clock)) as decode:
        with SPLIT[row](tmp_path, hf, [prefill], [decode]) as url:
            door = through(url, expected, row, [prefill, decode])
            # Each prompt was computed in the first cell, each text in the second, where no prefill worker did anything.
            first, second = Metrics(prefill.http), Metrics(decode.http)
            assert second.sum("waferline_prefill_tokens_total") == 0 and first.sum("waferline_prefill_tokens_total") > 0
            assert first.sum("waferline_kv_handoff_bytes_total") == 0 and second.sum("waferline_kv_handoff_bytes_total") > 0
            call = door.start(PROMPT, {**LONG, "max_tokens": 900})
            wait_until(lambda: "decode" in phases(decode), "nothing decodes")
            call.cancel()
            nothing_in_flight([prefill, decode])
            note(row, "decoding", "freed")


@pytest.mark.parametrize("row", ["Dynamo, vllm"])
def test_a_prompt_goes_where_its_blocks_are(row, tmp_path, hf):
    """Dynamo's router reads the KV events of both servers: the second request of each new prompt finds its blocks. In turn over two servers
    none would, at random half of them. Its programs' own metrics say when they have what was published: they subscribe after they answer."""
    install(row)
    events = [f'kv_events: [{{bind: "tcp://127.0.0.1:{free_port()}"}}]' for _ in range(2)]
    with LoopbackOnly(), Waferd(configuration(tmp_path, "one", hf, events[0], "stepped")) as one, \
            Waferd(configuration(tmp_path, "two", hf, events[1], "stepped")) as two:
        servers = (one, two)
        with ROUTERS[row](tmp_path, hf, servers) as url:
            model = json.loads(wait_for(url + "/v1/models"))["data"][0]["id"]
            first_answer(url, model)

            def sources():
                return Metrics(url).sum("dynamo_component_router_kv_zmq_ingress_sources", state="active")

            def applied():
                return Metrics(url).sum("dynamo_component_kv_cache_events_applied", event_type="stored", status="ok")

            def received(number):
                try:
                    return Metrics(routers.sidecar_url(number)).sum("dynamo_component_kv_publisher_zmq_events_total", stage="accepted")
                except KeyError:  # there is no sample before the first event
                    return 0

            def ask(door, prompt):
                """Tokens that were found."""
                before = sum(Metrics(server.http).sum("vllm:prefix_cache_hits_total") for server in servers)
                post(door, "/v1/completions", {"model": model, "prompt": prompt, "max_tokens": 2, "temperature": 0})
                return sum(Metrics(server.http).sum("vllm:prefix_cache_hits_total") for server in servers) - before

            def lanterns(first):
                return f"{first} lanterns hung in the ferryman's boat, one for each of his daughters. " * 9

            wait_until(lambda: sources() == 2, "the router did not subscribe to both sidecars")
            for number, server in enumerate(servers):  # new prompts, asked for there, until its sidecar has an event
                for attempt in itertools.count():
                    assert attempt < 600, "the sidecar did not subscribe"
                    ask(server.http, lanterns(f"{number} red and {attempt} green"))
                    if received(number):
                        break
                    time.sleep(0.1)
            wait_until(lambda: applied() == received(0) + received(1), "the router did not apply what its sidecars received")
            prompts = [lanterns(number) for number in range(8)]
            for prompt in prompts:
                before = applied()
                assert ask(url, prompt) < 64
                wait_until(lambda: applied() > before, "the router has no event of this prompt")
            found = [ask(url, prompt) for prompt in prompts]
            print(f"{row}: found again of 8 prompts: {found}")
            assert min(found) >= 64, found


def test_the_table():
    columns = [*TABLE, *STATES]
    widths = [max(len(column), 8) for column in columns]
    print("\n" + " " * 32 + "  ".join(column.ljust(width) for column, width in zip(columns, widths)))
    for row, cells in RESULTS.items():
        print(row.ljust(32) + "  ".join(cells.get(column, "-").ljust(width) for column, width in zip(columns, widths)))
    assert RESULTS
