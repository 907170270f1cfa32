"""Perplexity of the demo model in every weight type, by every CPU path of this machine, and by llama.cpp: one table.

    python3 tests/bench/perplexity_table.py [--llama-perplexity PATH] [--stories 40] [--context 512]
    python3 tests/bench/perplexity_table.py --model FILE.gguf --text FILE --llama-perplexity PATH [--context 512]

Text: held-out stories of the demo model's own corpus (seed 2; training saw seed 1). Each type's file is demo.gguf rounded to it
(build/bench/requantise). "exact" is that file's numbers as F32: what differs from it is the rounding of activations alone.

With --model one file's table: the file itself and its numbers as F32, by us and by llama.cpp, there with KV as F16 and as F32. The F32
rows say whether both compute the same, the others what each loses by rounding activations.
"""

import argparse
import contextlib
import json
import pathlib
import re
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
    out = waferctl("model", "perplexity", model, "--text", text, "--context", context, "--json", *(["--cpu", path] if path else []))
    if "this machine cannot run" in out.stderr:
        return None
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


def by_llama(program, model, text, context, *flags):
    command = [program, "-m", model, "-f", text, "-c", str(context), "-t", "2", *flags]
    out = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Final estimate: PPL = ([0-9.]+)", out.stdout + out.stderr)
    assert found, out.stderr[-2000:]
    return float(found.group(1))


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
        exact = perplexity(as_f32, options.text, options.context)["perplexity"]
        print("| weights | by | KV | perplexity | against exact |\n|---|---|---|---|---|")

        def row(weights, by, kv, value):
            print(f"| {weights} | {by} | {kv} | {value:.4f} | {100 * (value / exact - 1):+.3f} % |", flush=True)

        row("F32", "ours", "F16", exact)
        for path in PATHS:
            ours = perplexity(options.model, options.text, options.context, path)
            if ours:
                row("as in the file", f"ours, {path}", "F16", ours["perplexity"])
        if not options.llama_perplexity:
            return
        for weights, file in (("F32", as_f32), ("as in the file", options.model)):
            for kv, flags in (("F32", ["-ctk", "f32", "-ctv", "f32", "-fa", "off"]), ("F16", [])):
                row(weights, "llama.cpp", kv, by_llama(options.llama_perplexity, file, options.text, options.context, *flags))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-perplexity", metavar="PATH")
    parser.add_argument("--model", type=pathlib.Path, metavar="FILE", help="one file's table instead; needs --text")
    parser.add_argument("--text", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--stories", type=int, default=40)
    parser.add_argument("--context", type=int, default=512)
    options = parser.parse_args()
    if (options.model is None) != (options.text is None):
        parser.error("--model and --text go together")
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
            cells.append(f"{by_llama(theirs, file, text, options.context):.4f}" if theirs else "")
            print(f"| {dtype} | " + " | ".join(cells) + f" | {exact['scored_tokens']} |", flush=True)


if __name__ == "__main__":
    main()
