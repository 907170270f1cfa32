"""Perplexity of the demo model in every weight type, by every CPU path of this machine, and by llama.cpp: one table.

    python3 tests/bench/perplexity_table.py [--llama-perplexity PATH] [--stories 40] [--context 512]
    python3 tests/bench/perplexity_table.py --model FILE.gguf --text FILE --llama-perplexity PATH [--context 512]

Text: held-out stories of the demo model's own corpus (seed 2; training saw seed 1). Each type's file is demo.gguf rounded to it
(build/bench/requantise). "exact" is that file's numbers as F32: what differs from it is the rounding of activations alone.

With --model one file's table: the file itself and its numbers as F32, by us and by llama.cpp, there with KV as F16 and as F32. The F32
rows say whether both compute the same, the others what each loses by rounding activations. Two rows over one text differ by far less
than either is uncertain, so each difference has a standard error from its chunks: of the paired means of -log p.
"""

import argparse
import contextlib
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import BIN, ROOT, waferctl  # noqa: E402

TRAIN = ROOT / "deploy/models/train"
DEMO = ROOT / "deploy/models/demo.gguf"
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "MXFP4", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"]
PATHS = ["portable", "avx2", "avx512", "avx512-bf16"]


def held_out_text(stories):
    lines = subprocess.run([sys.executable, TRAIN / "generate_corpus.py", "--seed", "2", "--documents", str(stories * 4)],
                           capture_output=True, check=True, text=True).stdout.splitlines()
    documents = [document for document in map(json.loads, lines) if isinstance(document, str)]
    return "\n\n".join(documents[:stories])


def requantise(source, dtype, target):
    subprocess.run([BIN.parent / "bench/requantise", source, dtype, target], check=True)
    return target


def perplexity(model, text, context, path=None):
    """What `waferctl model perplexity` says; None for a path that this machine cannot run."""
    out = waferctl("model", "perplexity", model, "--text", text, "--context", context, "--json", *(["--cpu", path] if path else []),
                   timeout=3600)
    if "this machine cannot run" in out.stderr:
        return None
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def by_llama(program, model, text, context, *flags):
    command = [program, "-m", model, "-f", text, "-c", str(context), "-t", "2", *flags]
    out = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Final estimate: PPL = ([0-9.]+)", out.stdout + out.stderr)
    assert found, out.stderr[-2000:]
    # It prints the perplexity of the chunks so far.
    sums = [0.0] + [i * math.log(float(value)) for i, value in enumerate(re.findall(r"\[\d+\]([0-9.]+)", out.stdout), 1)]
    return {"perplexity": float(found.group(1)), "nats_per_token_of_chunks": [b - a for a, b in zip(sums, sums[1:])]}


def against(one, other):
    """By how much the perplexity of `one` is above the other's, in per cent: "+0.25 (0.03)", with the standard error."""
    pairs = zip(one["nats_per_token_of_chunks"], other["nats_per_token_of_chunks"], strict=True)
    differences = [a - b for a, b in pairs]
    error = statistics.stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else math.inf
    return f"{100 * (math.exp(statistics.fmean(differences)) - 1):+.3f} ({100 * error:.3f})"


@contextlib.contextmanager
def files(stories):
    """(text, {type: (file, the same numbers as F32)}), in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text = folder / "text"
        text.write_text(held_out_text(stories))
        models = {}
        for dtype in TYPES:
            file = requantise(DEMO, dtype, folder / f"{dtype}.gguf")
            models[dtype] = file, requantise(file, "F32", folder / f"{dtype}-as-F32.gguf")
        yield text, models


def one_model(options):
    """The table of --model; each row says how far from our F32 row it is."""
    with tempfile.TemporaryDirectory() as folder:
        as_f32 = requantise(options.model, "F32", pathlib.Path(folder) / "F32.gguf")
        exact = perplexity(as_f32, options.text, options.context)
        theirs = options.llama_perplexity and by_llama(options.llama_perplexity, options.model, options.text, options.context)
        print(f"{exact['chunks']} chunks of {options.context}; differences in per cent (standard error)\n")
        print("| weights | by | KV | perplexity | against exact | against llama.cpp |\n|---|---|---|---|---|---|")

        def row(weights, by, kv, value):
            peer = against(value, theirs) if theirs else ""
            print(f"| {weights} | {by} | {kv} | {value['perplexity']:.4f} | {against(value, exact)} | {peer} |", flush=True)

        row("F32", "ours", "F16", exact)
        for path in options.cpu:
            ours = perplexity(options.model, options.text, options.context, path)
            if ours:
                row("as in the file", f"ours, {path}", "F16", ours)
        if not theirs:
            return
        row("as in the file", "llama.cpp", "F16", theirs)
        exactly = ["-ctk", "f32", "-ctv", "f32", "-fa", "off"]
        row("as in the file", "llama.cpp", "F32", by_llama(options.llama_perplexity, options.model, options.text, options.context, *exactly))
        row("F32", "llama.cpp", "F32", by_llama(options.llama_perplexity, as_f32, options.text, options.context, *exactly))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-perplexity", metavar="PATH")
    parser.add_argument("--model", type=pathlib.Path, metavar="FILE", help="one file's table instead; needs --text")
    parser.add_argument("--text", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--stories", type=int, default=40)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--cpu", action="append", metavar="PATH", help=f"of --model: only this path; may be repeated (all of {PATHS})")
    options = parser.parse_args()
    if (options.model is None) != (options.text is None):
        parser.error("--model and --text go together")
    options.cpu = options.cpu or PATHS
    if options.model:
        return one_model(options)
    print("| type | exact | " + " | ".join(PATHS) + " | llama.cpp | tokens scored |\n" + "|---" * (len(PATHS) + 4) + "|")
    with files(options.stories) as (text, models):
        for dtype, (file, as_f32) in models.items():
            exact = perplexity(as_f32, text, options.context)
            cells = [f"{exact['perplexity']:.4f}"]
            for path in PATHS:
                ours = perplexity(file, text, options.context, path)
                cells.append(f"{ours['perplexity']:.4f}" if ours else "")
            theirs = options.llama_perplexity
            cells.append(f"{by_llama(theirs, file, text, options.context)['perplexity']:.4f}" if theirs else "")
            print(f"| {dtype} | " + " | ".join(cells) + f" | {exact['scored_tokens']} |", flush=True)


if __name__ == "__main__":
    main()
