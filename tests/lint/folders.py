"""Every folder that holds more than a CMakeLists.txt has its line in docs/folder-map.md, and every line its folder. tests/unit mirrors the tree, tests/fuzz/corpus
the fuzzers: one line each."""

import pathlib
import re
import sys

TOPS = ("wafer_backend", "scheduler", "server", "client", "proto", "deploy", "docs", "examples", "tests")
ONE_LINE = ("tests/unit", "tests/fuzz/corpus")


def main(root):
    listed = re.findall(r"^\| `([\w./-]+)` \|", (root / "docs/folder-map.md").read_text(), re.M)
    folders = set()
    for top in TOPS:
        for path in (root / top).rglob("*"):
            name = path.parent.relative_to(root).as_posix()
            if path.is_file() and path.name != "CMakeLists.txt" and "__pycache__" not in name and "node_modules" not in name:
                folders.add(next((one for one in ONE_LINE if name.startswith(one + "/")), name))
    errors = [f"{name}: has no line in docs/folder-map.md" for name in sorted(folders - set(listed))]
    errors += [f"docs/folder-map.md: {name}: there is no such folder" for name in sorted(set(listed) - folders)]
    errors += [f"docs/folder-map.md: {name}: has two lines" for name in sorted({n for n in listed if listed.count(n) > 1})]
    for error in errors:
        print(error)
    print(f"{len(folders)} folders, {len(errors)} errors")
    return 1 if errors or not folders else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
