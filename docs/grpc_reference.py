"""Writes docs/grpc.md, the reference of the gRPC services, from the comments of proto/waferline/v1.

    python3 docs/grpc_reference.py           # writes it
    python3 docs/grpc_reference.py --check   # fails if it is not what would be written
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/grpc.md"
FILES = ["inference.proto", "operator.proto", "billing.proto"]
FIELD = re.compile(r"((?:optional |repeated )?(?:map<[^>]+>|[\w.]+)) (\w+) = (\d+)(?: \[[^\]]*\])?;")
VALUE = re.compile(r"(\w+) = (\d+)(?: \[([^\]]*)\])?;")
RPC = re.compile(r"rpc (\w+)\((stream )?(\w+)\) returns \((stream )?(\w+)\);")


def cell(text):
    return text.replace("|", r"\|")


class Section:
    """A service, message or enum: its lines, and the sections nested in it, which come after it."""

    def __init__(self, kind):
        self.kind, self.lines, self.nested, self.table = kind, [], [], False

    def row(self, columns, *cells):
        if not self.table:
            self.lines += ["", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
            self.table = True
        self.lines.append(f"| {' | '.join(map(cell, cells))} |")


class Page:
    """What is written, and where in the file the reading is."""

    def __init__(self):
        self.out, self.comment, self.open_sections = [], [], []

    def take_comment(self):
        text, self.comment = " ".join(self.comment), []
        return text

    def row(self, columns, *cells):
        next(one for one in reversed(self.open_sections) if one.kind != "oneof").row(columns, *cells)

    def close(self):
        section = self.open_sections.pop()
        lines = section.lines + section.nested
        if self.open_sections:
            self.open_sections[-1].nested += lines
        else:
            self.out += lines

    def read(self, line):
        code, _, behind = (part.strip() for part in line.partition("//"))
        if not code:
            if behind or "//" in line:
                self.comment.append(behind)
            else:
                self.comment = []
            return
        if opened := re.match(r"(service|message|enum|oneof) (\w+) \{(\})?$", code):
            self.open(*opened.groups())
        elif code == "}":
            self.close()
            self.comment = []
        elif rpc := RPC.match(code):
            name, many_in, asked, many_out, answer = rpc.groups()
            call = f"{name}({'stream ' if many_in else ''}{asked}) returns {'stream ' if many_out else ''}{answer}"
            self.row(("call", "what it does"), f"`{call}`", self.take_comment())
        elif self.inside() == "enum" and (value := VALUE.match(code)):
            old = " (an old name)" if "deprecated" in (value[3] or "") else ""
            self.row(("value", "", "meaning"), f"`{value[1]}`", value[2], " ".join(filter(None, [self.take_comment(), behind])) + old)
        elif self.inside() and (field := FIELD.match(code)):
            one_of = "one of: " if self.inside() == "oneof" else ""
            self.row(("field", "type", "", "meaning"), f"`{field[2]}`", f"`{field[1]}`", field[3], one_of + " ".join(filter(None, [self.take_comment(), behind])))
        elif not code.startswith(("syntax", "package", "import", "option")):
            raise SystemExit(f"not understood: {line!r}")

    def inside(self):
        return self.open_sections[-1].kind if self.open_sections else None

    def open(self, kind, name, closed):
        section = Section(kind)
        about = self.take_comment()
        if kind != "oneof":
            section.lines += ["", f"{'##' if kind == 'service' else '###'} {name}", *(["", about] if about else [])]
        if closed and kind == "message":
            section.lines += ["", "No fields."]
        self.open_sections.append(section)
        if closed:
            self.close()


def written():
    page = Page()
    page.out += ["# gRPC", "", "Written by `docs/grpc_reference.py` from the comments of `proto/waferline/v1`. The server also answers gRPC's reflection and",
                 "health services, and vLLM's engine protocol where its configuration has `engine_api`."]
    for name in FILES:
        lines = (ROOT / "proto/waferline/v1" / name).read_text().split("\n")
        head = lines[:next(i for i, line in enumerate(lines) if not line.startswith("//"))]
        page.out += ["", "---", "", " ".join(line.removeprefix("//").strip() for line in head), "", f"From `proto/waferline/v1/{name}`."]
        for line in lines[len(head):]:
            page.read(line)
    return "\n".join(page.out) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if PAGE.exists() and PAGE.read_text() == written() else f"{PAGE} is not what {sys.argv[0]} writes")
    PAGE.write_text(written())
