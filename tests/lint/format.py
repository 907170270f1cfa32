"""Every C++ file is as clang-format leaves it."""

import pathlib
import subprocess
import sys


def main(root):
    tops = ("wafer_backend", "scheduler", "server", "client", "tests", "examples")
    files = sorted(str(p) for top in tops for p in (root / top).rglob("*") if p.suffix in (".h", ".cc"))
    result = subprocess.run(["clang-format", "--dry-run", "--Werror", *files], cwd=root)
    print(f"{len(files)} files")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
