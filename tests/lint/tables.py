"""What is written in one place stays in one place: tables of names, and constructs that one folder wraps for all others."""

import pathlib
import re
import sys

from cpp_text import pieces

TOPS = ("wafer_backend", "scheduler", "server", "client")
FAULTS = "worker_back|worker_slow|unit_back|unit_slow|stage_slow|link_speed|attention_side|ffn_side|off_wafer_link|power_cap|thermal"
MUTEXES = "mutex|lock_guard|unique_lock|scoped_lock|condition_variable|condition_variable_any|shared_mutex"

# (kind of piece, pattern of the whole piece, where it may be, what to do elsewhere)
RULES = [
    ("string", FAULTS, ("scheduler/engine/fault", "wafer_backend/hardware/placement/fault"),
     "fault names come from the engine's table, those of hardware from placement's"),
    ("string", r"(I?Q\d_[\dK]\w*|BF16)", ("wafer_backend/compute/kernels/",),
     "weight types' names come from the kernels' table"),
    ("string", "e2el", ("wafer_backend/base/", "client/load/", "scheduler/request/"), "names of objectives come from one table"),
    ("name", "dynamic_cast", (), "say by a type or a virtual function what the object is"),
    ("name", r"fmt::print(ln)?", (), "it throws when stdout is full: take the frame's Print or base/command_line/stdout_text.h"),
    ("name", r"(std::)?(timegm|gmtime_r?|localtime_r?|strftime)", ("server/text/jinja/",), "take absl's time, or base/calendar.h"),
    ("name", f"std::({MUTEXES})", ("wafer_backend/base/",), "take base/mutex.h, which the compiler checks"),
]
TEST_RULES = [
    ("name", r"(\w+::)*temp_directory_path|mkdtemp", ("tests/support/temporary_folder.h",),
     "take a test::TemporaryFolder: a fixed name fails when an earlier run was killed"),
    ("string", r"/tmp/.*(?<!XXXXXX)", (), "take a test::TemporaryFolder: a fixed name fails when an earlier run was killed"),
]


def check(root, tops, rules):
    """The number of files below the folders, and what they break."""
    rules = [(kind, re.compile(pattern), places, remedy) for kind, pattern, places, remedy in rules]
    files = sorted(p for top in tops for p in (root / top).rglob("*") if p.suffix in (".h", ".cc"))
    errors = []
    for path in files:
        name = path.relative_to(root).as_posix()
        for kind, text, line in pieces(path.read_text()):
            for ruled, pattern, places, remedy in rules:
                if kind == ruled and pattern.fullmatch(text) and not name.startswith(places):
                    errors.append(f"{name}:{line}: {text}: {remedy}")
    return len(files), errors


def main(root):
    files, errors = check(root, TOPS, RULES)
    tests, test_errors = check(root, ("tests",), TEST_RULES)
    errors += test_errors
    for error in errors:
        print(error)
    print(f"{files + tests} files, {len(errors)} errors")
    return 1 if errors or not files or not tests else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
