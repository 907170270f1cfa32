"""waferctl against a real waferd, over HTTP and gRPC alike: what a user types, what he reads, what a script parses."""

import json
import re

import pytest

from cloud import ONE_MODEL, ROOT, Waferd, post, waferctl

MODEL = "waferline-demo"


@pytest.fixture(name="doors", scope="module")
def start_server():
    with Waferd("deploy/config/demo.yaml") as server:
        yield server.doors


@pytest.fixture(params=("http", "grpc"))
def url(doors, request):
    return doors[request.param]


def ask(*words, server, **more):
    result = waferctl(*words, "--json", "--server", server, **more)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_both_doors_list_the_same_models(doors):
    lists = [[(m["id"], m["context_length"]) for m in ask("models", server=url)["models"]]
             for url in doors.values()]
    assert lists[0] == lists[1]
    assert MODEL in [name for name, _ in lists[0]]
    assert all(context > 0 for _, context in lists[0])


def test_greedy_completions_are_the_same_through_both_doors(doors):
    answers = {}
    for door, url in doors.items():
        answers[door] = ask("complete", "Once upon a time", "--model", MODEL, "--temperature", "0", "--max-tokens", "24", server=url)
    for answer in answers.values():
        assert answer["text"]
        assert answer["finish_reason"] in ("stop", "length")
        assert answer["usage"]["completion_tokens"] <= 24
        times = answer["time_info"]
        parts = times["queue_time"] + times["prompt_time"] + times["completion_time"]
        assert parts == pytest.approx(times["total_time"], rel=0, abs=0.5e-6)
        assert times["total_time"] > 0
    assert answers["http"]["text"] == answers["grpc"]["text"]
    assert answers["http"]["usage"] == answers["grpc"]["usage"]


def test_a_seed_repeats_a_sampled_answer_through_either_door(doors):
    texts = {ask("complete", "The king", "--model", MODEL, "--seed", "7", "--max-tokens", "16", server=url)["text"]
             for url in doors.values() for _ in range(2)}
    assert len(texts) == 1, texts


def test_stop_strings_end_the_text_through_both_doors(doors):
    whole = ask("complete", "Once upon a time", "--model", MODEL, "--temperature", "0", "--max-tokens", "24",
                server=doors["grpc"])["text"]
    stop = whole[len(whole) // 2:][:4]
    for url in doors.values():
        cut = ask("complete", "Once upon a time", "--model", MODEL, "--temperature", "0", "--max-tokens", "24",
                  "--stop", stop, server=url)
        assert cut["text"] == whole[:whole.index(stop)]
        assert cut["finish_reason"] == "stop"
        refused = waferctl("complete", "Once", "--model", MODEL, "--stop", "", "--server", url)
        assert refused.returncode == 1 and re.search(r"^waferctl: --stop:? must (be a string of|have from) 1 to 1024 bytes", refused.stderr), refused.stderr


def test_min_tokens_holds_stop_strings_back(doors):
    body = {"model": MODEL, "prompt": "Once upon a time", "temperature": 0, "max_tokens": 24, "return_token_ids": True}
    whole = post(doors["http"], "/v1/completions", body)["choices"][0]
    word = whole["text"].split()[0]
    for least, ends in ((0, True), (24, False)):
        answer = post(doors["http"], "/v1/completions", {**body, "stop": word, "min_tokens": least})["choices"][0]
        assert (answer["finish_reason"] == "stop") == ends and (answer["text"] == whole["text"]) == (not ends)


def test_a_chat_keeps_its_history(url):
    answer = ask("chat", "--model", MODEL, "--max-tokens", "24", stdin="Hello!\nTell me a story.\n", server=url)
    assert [m["role"] for m in answer["messages"]] == ["user", "assistant"] * 2
    assert all(m["content"] for m in answer["messages"])
    # The second prompt holds the first exchange.
    assert answer["usage"]["prompt_tokens"] > 20


def test_a_chat_without_json_prints_the_answer(doors):
    plain = waferctl("chat", "--max-tokens", "8", "--message", "Hello!", "--server", doors["http"])
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.strip()


@pytest.mark.parametrize("arrival", (("--concurrency", "4"), ("--rate", "40")), ids=("closed loop", "open loop"))
def test_a_bench_counts_what_the_server_says(url, arrival, tmp_path):
    log = tmp_path / "requests.jsonl"
    report = ask("bench", "run", "--model", MODEL, "--num-prompts", "12", "--output-tokens", "10", "--ignore-eos", "--requests", log,
                 "--goodput", "ttft:60000", *arrival, server=url)
    assert (report["completed"], report["failed"]) == (12, 0)
    assert report["total_output_tokens"] == 120
    assert report["itl_counts"] == "tokens"
    assert report["total_input_tokens"] > 12 * 16
    for name in ("ttft", "tpot", "itl", "e2el"):
        assert report[f"median_{name}_ms"] <= report[f"p99_{name}_ms"]
    assert report["mean_emulated_ttft_ms"] > 0
    assert report["mean_emulated_tpot_ms"] > 0
    assert report["request_goodput"] == pytest.approx(report["request_throughput"], rel=0, abs=0.5e-7)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["index"] for line in lines] == list(range(12))
    # A token never leaves before its instant: seen from outside, no request is faster than the emulated hardware.
    for line in lines:
        assert len(line["itl_ms"]) == 9
        assert line["ttft_ms"] >= line["emulated_ttft_ms"]
        assert line["e2el_ms"] >= line["emulated_e2el_ms"]


def test_an_unknown_model_is_refused_alike_through_both_doors(url):
    gone = waferctl("complete", "x", "--model", "gone", "--json", "--server", url)
    assert gone.returncode == 1
    error = json.loads(gone.stderr)["error"]
    assert error["code"] == "NOT_FOUND"
    assert "gone" in error["message"]


def test_a_prompt_that_is_too_long_is_refused_alike_through_both_doors(url):
    long = waferctl("complete", "-", "--model", MODEL, "--json", "--server", url, stdin="word " * 20000)
    assert json.loads(long.stderr)["error"]["code"] == "INVALID_ARGUMENT"


def test_no_server():
    result = waferctl("models", "--server", "http://127.0.0.1:9")
    assert result.returncode == 1
    assert "make serve" in result.stderr


def test_the_environment_names_the_server(doors):
    result = waferctl("models", env={"WAFERLINE_SERVER": doors["grpc"]})
    assert result.returncode == 0, result.stderr
    assert MODEL in result.stdout


def test_a_bare_bench_decodes_from_the_given_position():
    words = ("model", "bench", ROOT / "deploy/models/demo.gguf", "--prompt", "0", "--generate", "4", "--batch", "1,2", "--json", "--depth")
    late = waferctl(*words, "32")
    assert late.returncode == 0, late.stderr
    report = json.loads(late.stdout)
    assert report["depth"] == 32
    assert set(report["decode_tokens_per_s"]) == {"1", "2"} and min(report["decode_tokens_per_s"].values()) > 0
    beyond = waferctl(*words, str(1 << 20))
    assert beyond.returncode == 2 and "--depth and --generate together" in beyond.stderr, beyond.stderr


def test_several_answers_of_a_request_are_listed_with_their_choice(doors):
    """One has the id alone."""
    for count in (1, 3):
        post(doors["http"], "/v1/completions", {"model": MODEL, "prompt": "Once", "max_tokens": 2, "n": count})
    ended = [request for request in ask("requests", "--ended", server=doors["http"])["requests"] if request["max_tokens"] == 2]
    several = [request for request in ended if "choice" in request]
    assert sorted(request["choice"] for request in several) == [0, 1, 2] and len({request["id"] for request in several}) == 1
    listed = waferctl("requests", "--ended", "--server", doors["http"]).stdout
    assert all(listed.count(f"{several[0]['id']} choice {index} ") == 1 for index in range(3)), listed
    assert listed.count(" choice ") == 3 and any("choice" not in request for request in ended)


@pytest.mark.parametrize("words", (["status"], ["complete", "x", "--model", "demo"], ["models"]), ids=lambda words: words[0])
def test_who_has_no_key_reads_how_to_give_one(tmp_path, words):
    path = tmp_path / "server.yaml"
    path.write_text("api_keys: [{key: k, tenant: t, may_operate: true}]\n" + ONE_MODEL)
    with Waferd(path) as server:
        refused = waferctl(*words, "--server", server.http, env={"WAFERLINE_API_KEY": ""})
        assert refused.returncode == 1 and refused.stderr.rstrip().endswith("; give --api-key KEY, or set WAFERLINE_API_KEY"), refused.stderr
        refused = waferctl(*words, "--server", server.http, "--api-key", "other")
        assert refused.returncode == 1 and "--api-key" not in refused.stderr, refused.stderr
        assert waferctl(*words, "--server", server.http, env={"WAFERLINE_API_KEY": "k"}).returncode == 0
