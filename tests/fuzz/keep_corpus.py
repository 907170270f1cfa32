"""Chooses, of all inputs that fuzzers have learnt in a build, the few that tests/fuzz/corpus keeps.

    python3 tests/fuzz/keep_corpus.py build/fuzz/bin [NAME_fuzz ...]

Of each fuzzer those inputs that add most features (libFuzzer's: edges, and how often), of equal ones the shortest, until nothing is added or there are 60 files or 100 kB.
Files there whose names are words are kept: people put them there, or a fault was found by them.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

KEPT = pathlib.Path(__file__).parent / "corpus"
MAX_FILES, MAX_BYTES = 60, 100_000


def features(binary, folders):
    """{file: what it covers}, as libFuzzer says it."""
    with tempfile.TemporaryDirectory() as scratch:
        control = pathlib.Path(scratch) / "control"
        merged = pathlib.Path(scratch) / "merged"
        merged.mkdir()
        subprocess.run([binary, "-set_cover_merge=1", f"-merge_control_file={control}", "-rss_limit_mb=4096", merged, *folders], check=True, capture_output=True)
        lines = control.read_text(errors="surrogateescape").splitlines()
    files = lines[2:2 + int(lines[0])]
    covers = {}
    for line in lines[2 + len(files):]:
        kind, number, *rest = line.split()
        if kind == "FT":
            covers[pathlib.Path(files[int(number)])] = set(map(int, rest))
    return covers


def choose(covers, always):
    chosen, covered, size = [], set(), 0
    for file in always:
        chosen.append(file)
        covered |= covers.pop(file, set())
        size += file.stat().st_size
    while covers and len(chosen) < MAX_FILES:
        covers = {file: its - covered for file, its in covers.items() if its - covered and size + file.stat().st_size <= MAX_BYTES}
        best = max(covers, key=lambda file: (len(covers[file]), -file.stat().st_size, file.name), default=None)
        if best is None:
            break
        chosen.append(best)
        covered |= covers.pop(best)
        size += best.stat().st_size
    return chosen, size


def keep(binary):
    kept = KEPT / binary.name
    kept.mkdir(parents=True, exist_ok=True)
    learnt = [folder for folder in (binary.parent / "corpus" / binary.name, binary.parent.parent / "found" / binary.name) if folder.is_dir()]
    always = sorted(file for file in kept.iterdir() if not re.fullmatch(r"[0-9a-f]{40}", file.name))
    chosen, size = choose(features(binary, [kept, *learnt]), always)
    with tempfile.TemporaryDirectory() as scratch:
        for file in chosen:
            shutil.copy(file, scratch)
        for file in kept.iterdir():
            file.unlink()
        for file in pathlib.Path(scratch).iterdir():
            shutil.copy(file, kept)
    print(f"{binary.name}: {len(chosen)} files, {size:,} bytes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="where the fuzzers are")
    parser.add_argument("names", nargs="*", help="all if none")
    arguments = parser.parse_args()
    for name in arguments.names or sorted(path.name for path in arguments.folder.glob("*_fuzz")):
        keep((arguments.folder / name).resolve())


if __name__ == "__main__":
    sys.exit(main())
