"""Compiles the folders without x86 in them for aarch64, and checks that the portable kernels compute the same bits there.

    aarch64.py SOURCE_DIR NATIVE_PORTABLE_BITS

Exits with 77 (skipped) without Debian's g++-aarch64-linux-gnu. Abseil's, Highway's and yaml-cpp's headers are the host's; their
libraries are not there for aarch64, so what runs (under qemu-user, if that is there) is linked without them: only its error paths
would call into them.
"""

import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

COMPILER = "aarch64-linux-gnu-g++"
FOLDERS = ["wafer_backend/base", "wafer_backend/api", "wafer_backend/compute/kernels", "wafer_backend/compute/sampling"]
# /usr/include behind the cross compiler's own: libraries' headers are found there, the host's C library is not.
FLAGS = ["-std=c++20", "-ffp-contract=off", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-missing-field-initializers",
         "-idirafter", "/usr/include"]


def sources(root, folder):
    """The sources that the folder's CMakeLists.txt names; the headers of a folder that has none."""
    listed = re.findall(r"\b[\w/]+\.cc\b", (root / folder / "CMakeLists.txt").read_text())
    own = [root / folder / name for name in listed if (root / folder / name).exists()]
    return own or sorted((root / folder).glob("*.h"))


def compile_one(source, root, out):
    language = ["-x", "c++"] if source.suffix == ".h" else []
    level = "-O1" if "kernels" in source.parts else "-O0"  # kernels run
    command = [COMPILER, level, *FLAGS, f"-I{root}", *language, "-c", str(source), "-o", str(out)]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.returncode, run.stderr


def run_bits(objects, program):
    """What portable_bits prints on aarch64."""
    subprocess.run([COMPILER, "-static", "-Wl,--gc-sections", "-Wl,--unresolved-symbols=ignore-all", *map(str, objects), "-o",
                    str(program)], check=True, capture_output=True, text=True)
    return subprocess.run(["qemu-aarch64", str(program)], check=True, capture_output=True, text=True).stdout


def main(root, native):
    if shutil.which(COMPILER) is None:
        print(f"skipped: {COMPILER} is not installed (Debian: g++-aarch64-linux-gnu)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        files = [f for name in FOLDERS for f in sources(root, name)] + [root / "tests/cross/portable_bits.cc"]
        objects = {f: scratch / (f.relative_to(root).as_posix().replace("/", "_") + ".o") for f in files}
        failed = 0
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = pool.map(lambda f: (f, compile_one(f, root, objects[f])), files)
            for source, (code, messages) in results:
                if code != 0:
                    failed += 1
                    print(f"{source.relative_to(root)}:\n{messages[:2000]}")
        print(f"{len(files)} files compiled for aarch64, {failed} failed")
        if failed:
            return 1
        if shutil.which("qemu-aarch64") is None:
            print("not run: qemu-aarch64 is not installed (Debian: qemu-user)")
            return 0
        linked = [o for f, o in objects.items() if "kernels" in f.parts or f.name in ("check.cc", "portable_bits.cc")]
        there = run_bits(linked, scratch / "portable_bits")
        here = subprocess.run([native], check=True, capture_output=True, text=True).stdout
        print(there, end="")
        if there != here:
            print(f"here, in the same path:\n{here}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), sys.argv[2]))
