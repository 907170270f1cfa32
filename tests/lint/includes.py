"""Holds the folder table of ARCHITECTURE.md: who may include whom, and which libraries and clocks stay in their place."""

import pathlib
import re
import sys

# library or call -> folders that may use it
PLACES = [
    (r'#include [<"]boost/(asio|beast)', ["server/runtime", "server/http", "wafer_backend/compute/link", "client"]),
    (r"#include [<\"]grpc", ["server/rpc", "server/tls", "server/engines", "server/trace/otlp", "server/registry", "server/app", "client"]),
    (r"#include [<\"]prometheus/", ["server/metrics"]),
    (r"#include [<\"]yaml-cpp/", ["wafer_backend/base", "scheduler/fleet/config"]),
    (r"__int128", ["server/money", "wafer_backend/base/log_histogram.h"]),
    (r"#include [<\"]CLI/", ["wafer_backend/base/command_line"]),
    (r"#include [<\"](sqlite3|libpq-fe)\.h", ["server/store"]),
    (r"#include [<\"]zmq", ["server/kv_events"]),
    (r"#include [<\"]histedit", ["client/cli/serving"]),
    (r"_clock::now\(|clock_gettime\(|gettimeofday\(|absl::Now\(|sleep_for\(|sleep_until\(|absl::SleepFor\(|random_device|\brand\(\)",
     ["server/runtime", "wafer_backend/compute/link", "client"]),
]
BAD_NAMES = re.compile(r"(^|[_/])(util|utils|common|misc|helper|helpers|manager)([_/.]|$)")


def read_table(root):
    text = (root / "ARCHITECTURE.md").read_text()
    block = re.search(r"```layers\n(.*?)```", text, re.S).group(1)
    table = {}
    for line in block.splitlines():
        folder, _, uses = line.partition(":")
        table[folder.strip()] = uses.split()
    return table


def below(path, folder):
    return path == folder or path.startswith(folder + "/")


def main(root):
    table = read_table(root)
    errors = []
    tops = ("wafer_backend", "scheduler", "server", "client", "proto")
    files = [p for top in tops for p in (root / top).rglob("*") if p.suffix in (".h", ".cc")]
    for path in files:
        name = path.relative_to(root).as_posix()
        owner = next((f for f in sorted(table, key=len, reverse=True) if below(name, f)), None)
        if BAD_NAMES.search(name):
            errors.append(f"{name}: says nothing about its story; see STYLE.md rule 1")
        if owner is None:
            errors.append(f"{name}: its folder has no line in ARCHITECTURE.md's table")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            used = re.match(r'#include "((?:%s)/[^"]+)"' % "|".join(tops), line)
            if used and not any(below(used.group(1), f) for f in [owner] + table[owner]):
                errors.append(f"{name}:{number}: {owner} may not use {used.group(1)}")
            for pattern, places in PLACES:
                if re.search(pattern, line) and not any(below(name, f) for f in places):
                    errors.append(f"{name}:{number}: belongs in {', '.join(places)}: {line.strip()}")
    for error in errors:
        print(error)
    print(f"{len(files)} files, {len(errors)} errors")
    return 1 if errors or not files else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
