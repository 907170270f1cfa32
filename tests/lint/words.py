"""Checks the word list of STYLE.md: names and strings in C++ and Python, the comments of headers, our protocols, documents.

A word of the block ```words is refused in strings, headers' comments and as a part of a name (kHostSeats has the part "seats"); a name
of the block ```names is refused as it is spelled, * standing for any end. With --summary: how many are left in each folder; with
folders after the root: only those.
"""

import collections
import io
import keyword
import pathlib
import re
import sys
import tokenize

from cpp_text import pieces

# The stories of deploy/models/train are data.
TOPS = ("proto/waferline", "wafer_backend", "scheduler", "server", "client", "tests", "examples", "docs", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md",
        "SECURITY.md", "STYLE.md")
PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def read_block(text, name):
    """[(wrong words, better words)] of one block of STYLE.md."""
    block = re.search(r"```%s\n(.*?)```" % name, text, re.S).group(1)
    lines = [line.split(": ", 1) for line in block.splitlines()]
    return [([w.strip() for w in wrong.split(",")], better) for wrong, better in lines]


class WordList:
    def __init__(self, style):
        self.better = {}
        texts, names = [], []
        for wrong, better in read_block(style, "words"):
            texts += wrong
            self.better.update((w, better) for w in wrong)
        for wrong, better in read_block(style, "names"):
            names += wrong
            self.better.update((w, better) for w in wrong)
        self.parts = {w for w in texts if w.isalpha()}
        self.text = re.compile(r"(?<!here\s)\b(%s)\b(?! longer| more| less| larger)" % "|".join(
            re.escape(w).replace(r"\ ", r"\s+") for w in texts), re.I)
        self.allowed = {w[1:] for w in names if w.startswith("+")}
        self.exact = {w for w in names if not w.endswith("*")}
        self.prefixes = tuple(w[:-1] for w in names if w.endswith("*"))

    def in_text(self, text):
        for match in self.text.finditer(text):
            yield match.start(), " ".join(match.group(1).lower().split())

    def in_name(self, name):
        if name in self.allowed:
            return None
        if name in self.exact:
            return name
        for prefix in self.prefixes:
            if name.startswith(prefix):
                return prefix + "*"
        return next((p for p in map(str.lower, PARTS.findall(name)) if p in self.parts), None)


def cpp_pieces(path):
    """(line, "name" or "text", text) of each name, string and (in headers) comment."""
    for kind, text, line in pieces(path.read_text()):
        if kind != "comment" or path.suffix in (".h", ".proto"):
            yield line, "name" if kind == "name" else "text", text


def python_pieces(path):
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token.start[0], "name", token.string
        elif token.type == tokenize.STRING:
            yield token.start[0], "text", token.string


def document_pieces(path):
    """Prose without blocks of code."""
    text = re.sub(r"```.*?```", lambda block: "\n" * block.group(0).count("\n"), path.read_text(), flags=re.S)
    yield 1, "text", text


PIECES_OF = {".h": cpp_pieces, ".cc": cpp_pieces, ".proto": cpp_pieces, ".py": python_pieces, ".md": document_pieces}


def findings(path, words):
    found = PIECES_OF[path.suffix](path)
    for line, kind, text in found:
        if kind == "name":
            word = next(filter(None, map(words.in_name, text.split("::"))), None)
            if word:
                yield line, word, text
        else:
            for start, word in words.in_text(text):
                yield line + text.count("\n", 0, start), word, " ".join(text[max(0, start - 40):start + 40].split())


def main(root, only, summary):
    words = WordList((root / "STYLE.md").read_text())
    tops = [root / top for top in only or TOPS if (root / top).exists()]
    files = sorted(p for top in tops for p in (top.rglob("*") if top.is_dir() else [top])
                   if p.suffix in PIECES_OF and p != pathlib.Path(__file__).resolve())
    left = collections.Counter()
    for path in files:
        name = path.relative_to(root)
        for line, word, where in findings(path, words):
            left[name.parent.as_posix()] += 1
            if not summary:
                print(f"{name}:{line}: '{word}' ({where}): {words.better[word]}")
    if summary:
        for folder, count in sorted(left.items()):
            print(f"{count:5} {folder}")
    print(f"{len(files)} files, {sum(left.values())} words of STYLE.md's list")
    return 1 if left or not files else 0


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--summary"]
    sys.exit(main(pathlib.Path(arguments[0]).resolve(), arguments[1:], "--summary" in sys.argv))
