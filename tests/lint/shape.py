"""Counts what STYLE.md wants to be few: long functions and files, many parameters, one type name in several folders.

    python3 tests/lint/shape.py ROOT [--list]

Fails if there is a longer function or file than the bounds allow, or one type name in two folders of one namespace. The others are
counted only: parameters of a kernel are its arrays and their sizes, and a namespace makes the difference between two types plain. With
--list it names them.
"""

import collections
import pathlib
import re
import sys

from cpp_text import functions_and_types

TOPS = ("wafer_backend", "scheduler", "server", "client")
MAX_FUNCTION_LINES, MAX_FILE_LINES, MAX_PARAMETERS = 60, 300, 4


def namespace_of(source):
    """The first one that has a name, "waferline::cli"; a file has one."""
    found = re.search(r"^namespace ([\w:]+) \{", source, re.M)
    return found[1] if found else ""


def main(root, listed):
    long_functions, long_files, wide, total = [], [], [], 0
    folders = collections.defaultdict(set)
    namespaces = collections.defaultdict(set)  # of a type name: (namespace, folder)
    for path in sorted(p for top in TOPS for p in (root / top).rglob("*") if p.suffix in (".h", ".cc")):
        source, name = path.read_text(), path.relative_to(root).as_posix()
        lines = source.count("\n")
        if lines > MAX_FILE_LINES:
            long_files.append(f"{name}: {lines} lines")
        functions, types = functions_and_types(source)
        total += len(functions)
        for function, first, last, parameters in functions:
            if last - first + 1 > MAX_FUNCTION_LINES:
                long_functions.append(f"{name}:{first}: {function}: {last - first + 1} lines")
            if parameters > MAX_PARAMETERS:
                wide.append(f"{name}:{first}: {function}: {parameters} parameters")
        for type_name, _ in types:
            folders[type_name].add(path.parent.relative_to(root).as_posix())
            namespaces[type_name].add((namespace_of(source), path.parent.relative_to(root).as_posix()))
    shared = [f"{name}: {', '.join(sorted(found))}" for name, found in sorted(folders.items()) if len(found) > 1]
    same = [f"{name}: {', '.join(folder for _, folder in sorted(places))}" for name, places in sorted(namespaces.items())
            if len({namespace for namespace, _ in places}) < len(places)]
    for title, found in ((f"functions over {MAX_FUNCTION_LINES} lines", long_functions), (f"files over {MAX_FILE_LINES} lines", long_files),
                         (f"functions with over {MAX_PARAMETERS} parameters", wide), ("types of one name in several folders", shared),
                         ("types of one name in several folders of one namespace", same)):
        print(f"{len(found):4} {title}")
        if listed or (found and found in (long_functions, long_files, same)):
            print("".join(f"       {entry}\n" for entry in found), end="")
    print(f"{total:4} functions in all")
    return 1 if long_functions or long_files or same or not total else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]), "--list" in sys.argv))
