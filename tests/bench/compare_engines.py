"""Bare engines side by side on the same GGUF files: Waferline against llama.cpp (or a fork), with the machine's ceilings.

    python3 tests/bench/compare_engines.py --peer llama.cpp=/path/to/llama.cpp/build/bin --model 1b-Q8_0.gguf [--model ...]
        [--work prefill,1,8,16,32] [--pairs 5] [--threads 2] [--cpu avx2] [--depth 8192] [--into table.json]

For each file and each work (a prompt, or so many sequences at a time) the engines run in turn, pair after pair, and medians are shown;
so are the ratio of each pair, as a median, and what share of the machine's read bandwidth (decode) or of its int8 or int16 peak
(prompts) ours reached, both measured between the pairs of the same run. The peer is an installed `llama-bench` (prompt, one sequence)
and `llama-batched-bench` (several) in the folder that is named. A long table is measured in pieces: with --into FILE each call adds
its rows to those of earlier calls, and the table shows all of them.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import BIN  # noqa: E402

WAFERCTL = BIN / "waferctl"
PEAKS = BIN.parent / "bench/machine_peaks"


def fail(message):
    sys.exit(f"compare_engines: {message}")


def run(command):
    """The program's output; ends this one with the program's own words if it fails."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900)
    except subprocess.TimeoutExpired:
        fail(f"{command[0]} did not end within 15 minutes; fewer --generate tokens make it shorter")
    if done.returncode != 0:
        fail(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def program(path, remedy):
    if not path.is_file():
        fail(f"{path} is missing; {remedy}")
    return path


def ours(model, work, options):
    prompt, generate = (options.prompt, 0) if work == "prefill" else (0, options.generate)
    batch = 1 if work == "prefill" else work
    cpu = ["--cpu", options.cpu] if options.cpu else []
    result = json.loads(run([WAFERCTL, "model", "bench", model, "--threads", options.threads, "--prompt", prompt, "--generate", generate,
                             "--depth", options.depth, "--batch", batch, *cpu, "--json"]))
    rate = result["prefill_tokens_per_s"] if work == "prefill" else result["decode_tokens_per_s"][str(batch)]
    return rate, result


class Peer:
    def __init__(self, text):
        name, equals, folder = text.partition("=")
        if not equals or not name or not folder:
            fail(f"--peer {text}: write it as NAME=FOLDER, the folder that holds llama-bench")
        self.name, self.folder = name, pathlib.Path(folder)

    def check(self, works):
        if any(work in ("prefill", 1) for work in works):
            program(self.folder / "llama-bench", "build the peer's target llama-bench")
        if any(work not in ("prefill", 1) for work in works):
            program(self.folder / "llama-batched-bench", "build the peer's target llama-batched-bench")

    def rate(self, model, work, options):
        if work in ("prefill", 1):
            prompt, generate = (options.prompt, 0) if work == "prefill" else (0, options.generate)
            out = run([self.folder / "llama-bench", "-m", model, "-t", options.threads, "-p", prompt, "-n", generate,
                       *(["-d", options.depth] if work == 1 and options.depth else []), "-r", 1, "-o", "json"])
            return json.loads(out)[0]["avg_ts"]
        before = max(1, options.depth)
        positions = work * -(-(options.generate + before) // 256) * 256  # it rounds down what is not whole
        out = run([self.folder / "llama-batched-bench", "-m", model, "-t", options.threads, "-npp", before, "-ntg", options.generate, "-npl", work,
                   "-c", positions, "--output-format", "jsonl"])
        lines = re.findall(r"^\{.*\}$", out, re.MULTILINE)
        if not lines:
            fail(f"llama-batched-bench of {self.name} printed no result:\n{out.strip()[-2000:]}")
        return json.loads(lines[-1])["speed_tg"]


def show_progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def share(work, rate, facts, peaks):
    """Of the ceiling that this work runs against, and the ceiling's name."""
    if work == "prefill":
        name = {"F32": "f32", "F16": "int16", "BF16": "int16"}.get(facts["weights"], "int8")
        return rate * facts["prompt_ops_per_token"] / peaks[f"{name}_ops_per_s"], name
    return rate / work * facts["decode_bytes_per_step"] / peaks["read_bytes_per_s"], "read"


def measure(model, work, peers, options, note):
    rates, ratios, shares = {"waferline": []}, {peer.name: [] for peer in peers}, []
    for pair in range(options.pairs):
        show_progress(f"{note}: pair {pair + 1} of {options.pairs}")
        peaks = json.loads(run([PEAKS, "--threads", options.threads, *(["--cpu", options.cpu] if options.cpu else [])]))
        our_rate, facts = ours(model, work, options)
        rates["waferline"].append(our_rate)
        of_ceiling, ceiling = share(work, our_rate, facts, peaks)
        shares.append(of_ceiling)
        for peer in peers:
            rates.setdefault(peer.name, []).append(peer.rate(model, work, options))
            ratios[peer.name].append(our_rate / rates[peer.name][-1])
    show_progress("")
    return {
        "model": model.stem, "work": work, "depth": 0 if work == "prefill" else options.depth, "pairs": options.pairs, "threads": options.threads, "instructions": facts["instructions"],
        "tokens_per_s": {name: statistics.median(values) for name, values in rates.items()},
        "ratio": {name: statistics.median(values) for name, values in ratios.items()},
        "ratio_range": {name: [min(values), max(values)] for name, values in ratios.items()},
        "ceiling": ceiling, "share_of_ceiling": statistics.median(shares), "machine": peaks,
    }


def table(rows):
    peers = sorted({name for row in rows for name in row["ratio"]})
    names = ["file", "work", "waferline"] + [part for peer in peers for part in (peer, "ratio (min, max)")] + ["of the ceiling"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        work = "prompt" if row["work"] == "prefill" else f"{row['work']} at a time"
        work += f" from position {row['depth']}" if row["depth"] else ""
        cells = [row["model"], work, f"{row['tokens_per_s']['waferline']:.1f}"]
        for peer in peers:
            if peer not in row["ratio"]:
                cells += ["", ""]
                continue
            low, high = row["ratio_range"][peer]
            cells += [f"{row['tokens_per_s'][peer]:.1f}", f"**{row['ratio'][peer]:.2f}** ({low:.2f}, {high:.2f})"]
        lines.append("| " + " | ".join(cells + [f"{100 * row['share_of_ceiling']:.0f} % of {row['ceiling']}"]) + " |")
    return "\n".join(lines)


def read_works(text):
    works = []
    for part in text.split(","):
        if part != "prefill" and not (part.isdigit() and 1 <= int(part) <= 1024):
            fail(f'--work: "{part}" is neither "prefill" nor a number of sequences from 1 to 1024')
        works.append(part if part == "prefill" else int(part))
    return works


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=FOLDER", help="an engine to compare with; may be given more than once")
    parser.add_argument("--model", action="append", required=True, type=pathlib.Path, metavar="FILE")
    parser.add_argument("--work", default="prefill,1,8,16,32")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", help="instructions that ours uses, as for waferctl model bench; the peer is to be built for the same")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--depth", type=int, default=0, metavar="N", help="positions that a sequence has before it generates")
    parser.add_argument("--into", type=pathlib.Path, metavar="FILE", help="JSON table to add the rows to")
    options = parser.parse_args()
    if min(options.pairs, options.threads, options.prompt, options.generate) < 1:
        fail("--pairs, --threads, --prompt and --generate must be at least 1")
    works, peers = read_works(options.work), [Peer(text) for text in options.peer]
    program(WAFERCTL, "build the target waferctl")
    program(PEAKS, "build the target machine_peaks")
    for peer in peers:
        peer.check(works)
    for model in options.model:
        program(model, "make_bench_model writes such files")
    rows = json.loads(options.into.read_text()) if options.into and options.into.exists() else []
    for model in options.model:
        for work in works:
            begin = time.monotonic()
            row = measure(model, work, peers, options, f"{model.stem} {work}")
            row["seconds"] = time.monotonic() - begin
            rows = [other for other in rows if any(other[key] != row[key] for key in ("model", "work", "depth"))] + [row]
            if options.into:
                options.into.write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
