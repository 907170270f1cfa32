"""The command lines of waferctl and waferd: help, usage errors, failing writes, completion, manual pages, and one set of model flags."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

from cloud import BIN, ROOT, waferctl

PROGRAMS = ("waferctl", "waferd")
COMMANDS = ("chat", "complete", "models", "bench run", "bench replay", "faults send", "model inspect", "model tokenize", "model export-hf",
            "model logits", "model perplexity", "model bench", "wafer predict", "wafer place", "wafer split", "wafer latency",
            "wafer tornado", "wafer faults", "wafer map", "wafer yield", "wafer predict-kernel", "wafer fabric",
            "wafer calibrate", "wafer calibrate-serving", "sim", "sim sweep", "sim compare", "prices check", "prices quote", "contract schedule", "contract rpo", "contract loan",
            "contract warrant", "contract concentration", "tenants list", "tenants add",
            "tenants disable", "keys list", "keys create", "keys rotate", "keys revoke", "quotas list",
            "quotas set", "quotas remove", "invoice list", "invoice show", "invoice close", "invoice credit", "invoice export",
            "ledger verify", "ledger balances", "usage", "selftest laws", "selftest cloud", "completion", "man", "version")
GROUPS = ("client", "bench", "faults", "accounts", "model", "wafer", "prices", "books", "contract", "selftest", "about")
DEMO = "deploy/models/demo.gguf"


def run(program, *words):
    return subprocess.run([BIN / program, *words], capture_output=True, text=True, timeout=60, cwd=ROOT)


def refused(*words, says, program="waferctl"):
    result = run(program, *words)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert says in result.stderr
    return result.stderr


# ---- help ----

def test_help_shows_every_group_and_every_command():
    text = waferctl("--help").stdout
    for group in (*GROUPS, "sim"):
        assert f"({group}):" in text
    for command in COMMANDS:
        assert re.search(rf"^  {command}  +[A-Z]", text, re.M), command
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("command", ("top", "status", "requests", "abort", "drain", "resume", "tenants list", "keys create", "quotas set", "usage",
                                     "invoice show", "ledger verify"))
def test_the_help_of_what_only_http_has_offers_no_other_address(command):
    text = run("waferctl", *command.split(), "--help").stdout
    assert "http://HOST:PORT; https: over TLS" in text and "grpc" not in text
    refused(*command.split(), *{"abort": ["x"], "invoice show": ["t:2026-01"], "keys create": ["--tenant", "t"],
                                   "quotas set": ["--tenant", "t", "--prepaid-usd", "0"]}.get(command, []),
            "--server", "grpc://127.0.0.1:1", says="use HTTP")


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_commands(group):
    result = waferctl(group, "--help")
    assert result.returncode == 0
    assert result.stdout == waferctl("help", group).stdout
    assert any(f"\n  {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(command):
    result = waferctl(*command.split(), "--help")
    assert result.returncode == 0
    assert f"Usage: waferctl {command}" in result.stdout
    assert ("--json" in result.stdout) == (command not in ("man", "completion"))


def test_examples_of_the_help_name_flags_that_exist():
    for command in COMMANDS:
        text = waferctl(*command.split(), "--help").stdout
        for example in text.partition("Examples:")[2].splitlines():
            for flag in re.findall(r"--[a-z-]+", example):
                assert f"  {flag}" in text.partition("Examples:")[0], example


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_version(program):
    result = run(program, "--version")
    commit = r" \(commit [0-9a-f]{8,40}(-dirty)?\)" if shutil.which("git") and (ROOT / ".git").exists() else ""
    assert re.fullmatch(rf"{program} \d+\.\d+\.\d+{commit}\n", result.stdout)
    assert result.returncode == 0


def test_the_commit_is_looked_up_and_written_only_when_it_changes(tmp_path):
    out, source = tmp_path / "commit.cc", tmp_path / "source"
    source.mkdir()

    def written():
        subprocess.run(["cmake", "-D", f"SOURCE={source}", "-D", f"OUT={out}", "-P", ROOT / "deploy/cmake/Commit.cmake"], check=True, timeout=60)
        return re.search(r'kBuildCommit = "(.*)";', out.read_text()).group(1), out.stat().st_mtime_ns

    def git(*words):
        return subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *words], cwd=source, check=True, capture_output=True, text=True).stdout.strip()

    assert written()[0] == ""
    (source / "file").write_text("one")
    git("init", "-q")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    first = written()
    assert first[0] == git("rev-parse", "--short=8", "HEAD") and written() == first
    (source / "file").write_text("two")
    assert written()[0] == first[0] + "-dirty"


# ---- usage errors ----

def test_a_mistyped_word_is_answered_with_the_nearest():
    refused("compelte", "x", says="did you mean 'complete'?")
    refused("benhc", says="did you mean 'bench'?")
    refused("model", "inspcet", "f", says="did you mean 'model inspect'?")
    refused("wafer", "place", "--modle", "x", says="did you mean '--model'?")
    refused("wafer", "place", "--model", "llama-3.1-8b", "--weights", "fp166", says="did you mean 'fp16'?")
    refused("--http-prot", "1", says="did you mean '--http-port'?", program="waferd")
    refused("wafer", says="wafer predict")
    # Neither what was typed nor its opposite.
    assert "did you mean" not in refused("tenants", "enable", "acme", says="'tenants' needs one of: tenants list, tenants add, tenants disable")
    assert "did you mean" not in refused("accounts", says="'accounts' is a group of commands: tenants list, ")


def test_a_store_that_is_no_store_is_a_usage_error():
    for command in (["ledger", "verify"], ["ledger", "balances"], ["invoice", "list"], ["invoice", "close", "acme:2026-06"]):
        for url in ("nonsense", "sqlite:"):
            refused(*command, "--store", url, says=f"--store: '{url}' is not a store: allowed are sqlite:PATH")


def test_waferd_refuses_a_flag_that_its_role_does_not_read():
    assert "--role shard or experts or attention or ffn or prefill" in refused("--model", "x.gguf", says="--model has no effect", program="waferd")
    refused("--role", "shard", "--model", DEMO, "--layers", "0:2", "--http-port", "0", says="--http-port has no effect with --role shard",
            program="waferd")
    refused("--role", "prefill", "--model", DEMO, "--layers", "0:2", says="--layers has no effect with --role prefill", program="waferd")
    refused("--role", "shard", "--layers", "0:2", says="--model FILE is required", program="waferd")
    refused("--role", "gateway", says="serve, shard, experts, attention, ffn, prefill", program="waferd")
    refused("demo.yaml", says="did you mean --config demo.yaml?", program="waferd")
    refused(DEMO, "--config", "x.yaml", says="--config FILE and MODEL both say what to serve", program="waferd")
    refused(DEMO, "--role", "prefill", "--model", DEMO, says="MODEL has no effect with --role prefill", program="waferd")
    refused("--shards", "2", says="--shards has no effect without MODEL", program="waferd")
    refused("--check-config", DEMO, says="no effect with MODEL", program="waferd")
    refused("--set", "billing.store=sqlite:/x.db", "--state-dir", "/x", says="drop one", program="waferd")
    refused(DEMO, "two", says="unexpected word 'two'", program="waferd")
    refused("--http_port", "65536", says="[0, 65535]", program="waferd")


def test_a_kernel_refuses_the_sizes_of_another():
    refused("wafer", "predict-kernel", "--kernel", "gemm", "--grid", "64", "--size", "512", "--m", "4", says="--m has no effect")
    refused("wafer", "predict-kernel", "--kernel", "gemv", "--grid", "64", "--m", "4", says="--n N is required")


# ---- files and folders ----

def test_what_is_no_folder_is_refused_by_its_flag(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    demo = ("--config", "deploy/config/demo.yaml")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path / "file", "a file")):
        for flag, program, words in (("--data", "waferctl", ("wafer", "calibrate", "--data", path)),
                                     ("--tls", "waferd", ("--role", "prefill", "--model", DEMO, "--tls", path)),
                                     ("--state-dir", "waferd", (*demo, "--state-dir", path)),
                                     ("--state-dir", "waferd", (*demo, "--check-config", "--state-dir", path))):
            result = run(program, *words)
            assert result.returncode == 1 and f"{flag}: {path} is {kind}, not a folder" in result.stderr, (words, result.stderr)


def test_a_pipe_is_read_if_it_has_a_writer(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    asks = ["bench", "run", "--server", "http://127.0.0.1:1", "--model", "m", "--prompts"]
    config = ["--config", "deploy/config/demo.yaml"]
    for words in ([*asks, pipe], ["sim", *config, "--trace", pipe], ["sim", "compare", pipe, pipe]):
        result = run("waferctl", *words)
        assert result.returncode == 1 and f"{pipe} is a pipe without a writer" in result.stderr, (words, result.stderr)
    bench = " ".join([str(BIN / "waferctl"), *asks])
    for text, says in (("caf\\351", "line 1: is not UTF-8 text: byte 3 is 0xe9"), ("{}", "line 1: it must have one of")):
        writer = f"(sleep 3; printf '{text}')"
        for command in (f"{bench} <{writer}", f"{writer} | {bench} /dev/stdin"):
            result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, cwd=ROOT)
            assert result.returncode == 1 and says in result.stderr, (command, result.stderr)


# ---- failing writes ----

@pytest.mark.parametrize("words", (
    ("waferctl", "--help"), ("waferctl", "man"), ("waferctl", "version", "--json"), ("waferctl", "completion", "bash"),
    ("waferctl", "model", "inspect", DEMO, "--json"), ("waferctl", "model", "tokenize", DEMO, "--text", "hello"),
    ("waferctl", "wafer", "predict", "--model", "llama-3.1-8b"), ("waferctl", "wafer", "place", "--model", "llama-3.1-70b"),
    ("waferctl", "wafer", "yield", "--wafers", "10"), ("waferd", "--help"), ("waferd", "--manual")), ids=" ".join)
def test_a_full_disk_behind_stdout_is_a_failure(words):
    with open("/dev/full", "w") as full:
        result = subprocess.run([BIN / words[0], *words[1:]], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, cwd=ROOT)
    assert result.returncode == 1
    assert "cannot write to stdout: No space left on device" in result.stderr


@pytest.mark.parametrize("words", (
    ("wafer", "place", "--model", "llama-3.1-8b", "--svg"), ("wafer", "map", "--svg"), ("wafer", "yield", "--wafers", "10", "--svg"),
    ("wafer", "tornado", "--model", "llama-3.1-8b", "--svg"), ("wafer", "latency", "--model", "llama-3.1-8b", "--svg"),
    ("wafer", "calibrate", "--data", "deploy/calibration", "--out"),
    ("sim", "--config", "deploy/config/fleets/conversation-70b.yaml", "--arrivals", "poisson:rate=5", "--count", "20", "--requests"),
    ("sim", "--config", "deploy/config/fleets/conversation-70b.yaml", "--arrivals", "poisson:rate=5", "--count", "20", "--timeline"),
    ("sim", "--config", "deploy/config/fleets/conversation-70b.yaml", "--arrivals", "poisson:rate=5", "--count", "20", "--json")),
    ids=" ".join)
def test_a_full_disk_behind_a_file_is_a_failure(words):
    result = waferctl(*words, "/dev/full")
    assert result.returncode == 1
    assert "/dev/full" in result.stderr


@pytest.mark.parametrize("words", (
    ("plan", "run", "750mw"), ("plan", "breaks", "750mw"), ("plan", "sweep", "750mw", "--axis", "finance.life_years=4:6:2"), ("plan", "mc", "750mw", "--runs", "20"),
    ("contract", "schedule", "deploy/contracts/openai-750mw.yaml"), ("wafer", "predict", "--model", "llama-3.1-8b"), ("wafer", "yield", "--wafers", "10"),
    ("sim", "--config", "deploy/config/demo.yaml", "--arrivals", "poisson:rate=5", "--count", "20"), ("prices", "check", "demo")), ids=" ".join)
def test_numbers_of_json_are_as_people_write_them(words):
    """500.0 and 0.0, not 5E2 and 0E0."""
    result = waferctl(*words, "--json")
    assert result.returncode == 0, result.stderr
    json.loads(result.stdout)
    assert not re.findall(r"[\[:,] ?-?[0-9.]+E.{5}", result.stdout)


# ---- completion and manual pages ----

def completions(program, *words):
    """What bash would offer for the last of `words`."""
    script = (f'source <("$0" {"--completion" if program == "waferd" else "completion"} bash); COMP_WORDS=("$@"); '
              f'COMP_CWORD=$(($# - 1)); _{program}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    result = subprocess.run(["bash", "--norc", "-c", script, BIN / program, program, *words], capture_output=True, text=True,
                            timeout=60, check=True)
    assert result.stderr == ""
    return result.stdout.split()


def test_bash_completes_commands_flags_and_values():
    assert "complete" in completions("waferctl", "") and "wafer" in completions("waferctl", "")
    assert completions("waferctl", "comp") == ["complete", "completion"]
    assert completions("waferctl", "bench", "") == ["run", "sweep", "replay"]
    assert completions("waferctl", "sim", "s") == ["sweep", "search"]
    assert completions("waferctl", "bench", "run", "--num") == ["--num-prompts"]
    assert completions("waferctl", "bench", "run", "--rate", "2", "--goo") == ["--goodput"]
    assert completions("waferctl", "wafer", "place", "--weights", "fp") == ["fp32", "fp16", "fp8", "fp4"]
    assert completions("waferctl", "wafer", "place", "--weights", "=", "int") == ["int8", "int4"]
    assert "llama-3.1-70b" in completions("waferctl", "wafer", "place", "--model", "llama")
    assert completions("waferctl", "wafer", "place", "--svg", "x") == []  # bash completes files itself
    assert completions("waferd", "--role", "") == ["serve", "shard", "experts", "attention", "ffn", "prefill", "worker"]
    assert completions("waferd", "--http") == ["--http-port"]
    assert completions("waferctl", "faults", "send", "unit_s") == ["unit_slow"]
    assert completions("waferctl", "completion", "") == ["bash", "zsh", "fish"]
    assert completions("waferctl", "completion", "bash", "") == []


class Zsh:
    """An interactive zsh on a terminal of its own that completes for waferctl."""

    def __init__(self, folder):
        (folder / "_waferctl").write_text(run("waferctl", "completion", "zsh").stdout)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execvp("zsh", ["zsh", "-f", "-i"])
        self.send(f"bindkey -e; PROMPT=; unsetopt zle_bracketed_paste; setopt no_beep; LISTMAX=1000; stty cols 200 rows 500; "
                  f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u; print rea''dy\n", until="ready")

    def send(self, keys, until):
        os.write(self.terminal, keys.encode())
        text, end = "", time.monotonic() + 30
        while until not in text and time.monotonic() < end:
            if select.select([self.terminal], [], [], 1)[0]:
                text += os.read(self.terminal, 65536).decode(errors="replace")
        assert until in text, text
        return text

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes_commands_flags_and_values(tmp_path):
    zsh = Zsh(tmp_path)
    for keys, until in (("waferctl sel", "waferctl selftest"), ("waferctl wafer predict-k", "predict-kernel"),
                        ("waferctl wafer place --we", "--weights"), ("waferctl wafer place --weights bf", "bf16"),
                        ("waferctl wafer place --weights=bf", "--weights=bf16"), ("waferctl faults send unit_s", "unit_slow"),
                        ("waferctl completion f", "completion fish"), ("waferctl bench \t", "Replay a trace")):
        zsh.send(keys + "\t", until)
        zsh.send("\x15print next$((1+1))\n", "next2")
    zsh.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_manual_page_is_clean_troff(program, tmp_path):
    page = run(program, "man" if program == "waferctl" else "--manual").stdout
    words = COMMANDS if program == "waferctl" else ("--role", "--sram-bytes")
    try:
        troff = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-P-c"], input=page, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("groff is not installed")
    assert troff.stderr == ""
    shown = re.sub(r".\x08", "", troff.stdout)
    for word in words:
        assert word in shown


# ---- one set of model flags ----

def place_and_predict(*words):
    return [json.loads(waferctl("wafer", command, *words, "--json").stdout) for command in ("place", "predict")]


@pytest.mark.parametrize("words", (
    ("--model", "llama-3.1-70b"), ("--model", "qwen3-32b", "--context", "8192", "--users", "4"),
    ("--model", "llama-3.1-8b", "--profile", "open", "--weights", "fp8"), ("--model", DEMO)), ids=" ".join)
def test_place_and_predict_agree_to_the_digit(words):
    place, predict = place_and_predict(*words)
    assert place["wafers"] == predict["wafers"]
    for figure in ("tokens_per_second", "aggregate_tokens_per_second", "full_tokens_per_second", "users_before_slowdown"):
        assert place[figure] == predict[figure], figure


def test_the_model_flags_are_the_same_everywhere():
    texts = {}
    for command in ("predict", "place", "latency", "tornado", "faults", "map"):
        text = waferctl("wafer", command, "--help").stdout
        for flag in ("model", "hardware", "profile", "context", "users", "wafers", "weights"):
            line = re.search(rf"^  --{flag} .*(?:\n {{10,}}.*)*", text, re.M)
            assert line, (command, flag)
            line = re.sub(r"\s+", " ", line[0])
            texts.setdefault(flag, set()).add(line.replace(" (required)", "").replace("; may be given several times", ""))
    assert all(len(seen) == 1 for seen in texts.values()), texts


def test_a_model_is_a_name_or_any_of_three_kinds_of_file(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32,
                                  "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256}))
    for command in ("predict", "place", "latency", "tornado", "faults", "map"):
        for model in ("llama-3.1-8b", "deploy/model-shapes/llama-3.1-8b.yaml", config, DEMO):
            result = waferctl("wafer", command, "--model", model)
            assert result.returncode == 0, (command, model, result.stderr)


def test_context_may_still_be_called_kv():
    words = ("wafer", "predict", "--model", "llama-3.1-8b", "--json")
    assert waferctl(*words, "--kv", "777").stdout == waferctl(*words, "--context", "777").stdout


@pytest.mark.parametrize("word", ["invoice", "ledger", "keys", "tenants", "quotas"])
def test_a_word_that_several_commands_begin_with_lists_them(word):
    done = run("waferctl", word, "--help")
    assert done.returncode == 0 and f"{word} list" in done.stdout or f"{word} verify" in done.stdout or f"{word} set" in done.stdout, done


def test_a_flag_of_the_registry_is_refused_without_one():
    refused("--role", "prefill", "--model", "deploy/models/demo.gguf", "--zone", "z", says="--zone has no effect without --registry", program="waferd")
