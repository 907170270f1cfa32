"""Logits of small random models of every family, ours against those of an installed peer: the largest difference relative to the largest
logit, a line a family.

    python3 tests/bench/compare_logits.py [--type F32] [--families llama,gemma3] [--tokens 40] [FILE.gguf ...]

The peer is the C interface (llama.h) of whichever of these Python packages is installed: llama_cpp, xllamacpp. With files it compares those
instead. Needs build/bin/waferctl and, without files, build/bin/random_model.
"""

import argparse
import ctypes
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import BIN, waferctl  # noqa: E402

PACKAGES = {"llama_cpp": "lib/libllama.so", "xllamacpp": "xllamacpp*.so"}
# What files of these families always have, and the peer relies on.
ALWAYS = {"gemma": ["tied=1"], "gemma2": ["tied=1"], "gemma3": ["tied=1"], "gpt-oss": ["window=16"], "granitemoe": ["expert_ffn=128"],
          "phi3": ["byte_pairs=1"], "llama4": ["byte_pairs=1"]}
FAMILIES = ["deepseek2", "gemma", "gemma2", "gemma3", "glm4", "glm4moe", "gpt-oss", "granite", "granitemoe", "llama", "llama4", "olmo2",
            "phi3", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "smollm3", "stablelm", "starcoder2"]


def peer_library():
    for package, pattern in PACKAGES.items():
        found = importlib.util.find_spec(package)
        if found:
            libraries = sorted(pathlib.Path(found.submodule_search_locations[0]).glob(pattern))
            if libraries:
                return libraries[0]
    return None


class Parameters(ctypes.Structure):
    """llama_model_params or llama_context_params: larger than either, whose first numbers are n_ctx, n_batch, n_ubatch in the latter."""
    _fields_ = [("numbers", ctypes.c_uint32 * 256)]


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", ctypes.c_void_p),
                ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8))]


def declare(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, list(arguments)
    return function


def peer_logits(file, tokens):
    """[token][vocabulary], all tokens in one batch."""
    library = ctypes.CDLL(str(peer_library()), mode=ctypes.RTLD_GLOBAL)
    pointer, number = ctypes.c_void_p, ctypes.c_int32
    declare(library, "llama_backend_init", None)()
    model_parameters = declare(library, "llama_model_default_params", Parameters)()
    model = declare(library, "llama_model_load_from_file", pointer, ctypes.c_char_p, Parameters)(str(file).encode(), model_parameters)
    if not model:
        raise SystemExit("the peer cannot load it")
    parameters = declare(library, "llama_context_default_params", Parameters)()
    size = max(64, len(tokens))
    for i in range(3):
        parameters.numbers[i] = size
    context = declare(library, "llama_init_from_model", pointer, pointer, Parameters)(model, parameters)
    vocabulary = declare(library, "llama_model_get_vocab", pointer, pointer)(model)
    width = declare(library, "llama_vocab_n_tokens", number, pointer)(vocabulary)
    batch = declare(library, "llama_batch_init", Batch, number, number, number)(size, 0, 1)
    batch.n_tokens = len(tokens)
    for i, token in enumerate(tokens):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
        batch.seq_id[i][0] = 0
    if declare(library, "llama_decode", number, pointer, Batch)(context, batch) != 0:
        raise SystemExit("the peer cannot decode")
    row_of = declare(library, "llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), pointer, number)
    return [row_of(context, i)[:width] for i in range(len(tokens))]


def asked_peer(file, tokens):
    """In a process of its own, which may abort; a string says why there is nothing."""
    done = subprocess.run([sys.executable, __file__, "--peer", file, "--list", ",".join(map(str, tokens))], capture_output=True, text=True)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if "error" in line or "ASSERT" in line]
        return (said[0].split(":", 1)[1].strip() if said else f"ended with {done.returncode}")[:150]
    return json.loads(done.stdout)


def our_logits(file, tokens):
    out = waferctl("model", "logits", file, "--tokens", ",".join(map(str, tokens)), "--all", "--json")
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)["logits"]


def compare(name, file, tokens):
    ours, theirs = our_logits(file, tokens), asked_peer(file, tokens)
    if isinstance(theirs, str):
        return f"| {name} | | {theirs} |"
    largest = max(abs(x) for row in theirs for x in row)
    worst = max((abs(a - b), i) for i, (row, other) in enumerate(zip(ours, theirs)) for a, b in zip(row, other))
    return f"| {name} | {worst[0] / largest:.2e} | at token {worst[1]} of {len(tokens)}, largest logit {largest:.3g} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--type", default="F32")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--settings", default="", help="of random_model, as window=7,layers=3")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--list", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        print(json.dumps(peer_logits(options.peer, [int(token) for token in options.list.split(",")])))
        return
    if peer_library() is None:
        raise SystemExit(f"no peer: none of {', '.join(PACKAGES)} is installed in this Python")
    tokens = [1] + [(37 * i * i + 11 * i) % 200 + 20 for i in range(1, options.tokens)]
    print("| model | largest relative difference | |\n|---|---|---|")
    for file in options.files:
        print(compare(pathlib.Path(file).name, file, tokens), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for family in options.families.split(",") if not options.files else []:
            file = pathlib.Path(folder) / f"{family}.gguf"
            settings = ALWAYS.get(family, []) + (options.settings.split(",") if options.settings else [])
            subprocess.run([BIN / "random_model", family, options.type, file, *settings], check=True)
            print(compare(family, file, tokens), flush=True)


if __name__ == "__main__":
    main()
