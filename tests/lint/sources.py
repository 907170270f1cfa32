"""Every C++ source is named by a CMakeLists.txt of its folder: nothing is built by accident or left out of the build."""

import pathlib
import re
import sys

# tests/fuzz builds one program for each *_fuzz.cc.
EXEMPT = ("tests/fuzz/",)


def main(root):
    errors = []
    count = 0
    for top in ("wafer_backend", "scheduler", "server", "client", "tests", "examples"):
        for path in sorted((root / top).rglob("*.cc")):
            name = path.relative_to(root).as_posix()
            if name.startswith(EXEMPT):
                continue
            count += 1
            lists = path.parent / "CMakeLists.txt"
            words = re.findall(r"[\w./-]+", lists.read_text()) if lists.exists() else []
            if path.name not in words and path.stem not in words:
                errors.append(f"{name}: not listed in {lists.relative_to(root).as_posix()}")
    for error in errors:
        print(error)
    print(f"{count} sources, {len(errors)} errors")
    return 1 if errors or not count else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
