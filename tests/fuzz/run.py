"""Runs every fuzzer of a build for some time, one after the other, and prints how many inputs each tried.

    python3 tests/fuzz/run.py build/fuzz/bin --seconds 60

What a fuzzer learns stays in corpus/NAME next to the binaries, where the next run begins, with the inputs of tests/fuzz/corpus/NAME. A failing input is left in the current folder
and named; the exit status is then 1.
"""

import argparse
import pathlib
import re
import subprocess
import sys


def run(binary, seconds):
    """Inputs tried, the coverage reached, and whether it failed."""
    corpus = binary.parent / "corpus" / binary.name
    corpus.mkdir(parents=True, exist_ok=True)
    first = pathlib.Path(__file__).parent / "corpus" / binary.name
    done = subprocess.run([binary, f"-max_total_time={seconds}", "-print_final_stats=1", "-rss_limit_mb=4096", "-timeout=30", corpus,
                           *([first] if first.is_dir() else [])], capture_output=True, text=True, errors="replace")
    tried = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    if done.returncode != 0:
        print(done.stderr[-4000:], file=sys.stderr)
    return int(tried.group(1)) if tried else 0, int(covered[-1]) if covered else 0, done.returncode != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="where the fuzzers are")
    parser.add_argument("--seconds", type=int, default=60, help="for each")
    arguments = parser.parse_args()
    fuzzers = sorted(arguments.folder.glob("*_fuzz"))
    if not fuzzers:
        parser.error(f"no fuzzers in {arguments.folder}")
    failed = False
    print("| fuzzer | inputs | edges covered | |\n|---|---|---|---|")
    for fuzzer in fuzzers:
        tried, covered, wrong = run(fuzzer, arguments.seconds)
        failed |= wrong
        print(f"| {fuzzer.name} | {tried:,} | {covered:,} | {'FAILED' if wrong else 'ok'} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
