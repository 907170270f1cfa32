"""Files and folders that documents name exist: in backticks (`server/app/serve.cc`) and as links."""

import pathlib
import re
import sys

TOPS = "wafer_backend|scheduler|server|client|proto|deploy|tests|examples|docs"
NAMED = re.compile(r"`((?:%s)/[\w./-]*\w)`" % TOPS)
LINKED = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b(?!\.md)")


def main(root):
    documents = sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "examples").rglob("*.md"), *(root / "deploy").rglob("*.md")])
    errors = []
    for document in documents:
        if document.name == "CHANGELOG.md":  # speaks of what was there at its time
            continue
        for number, line in enumerate(document.read_text().splitlines(), 1):
            missing = [name for name in NAMED.findall(line) if not PLACEHOLDER.search(name) and not (root / name).exists()]
            missing += [link for link in LINKED.findall(line) if not (document.parent / link).exists()]
            errors += [f"{document.relative_to(root)}:{number}: {name}: there is no such file" for name in missing]
    for error in errors:
        print(error)
    print(f"{len(documents)} documents, {len(errors)} errors")
    return 1 if errors or not documents else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
