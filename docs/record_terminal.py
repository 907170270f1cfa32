"""Records docs/terminal.svg, the moving picture of the README: runs a session's commands against a server that it starts, and shows
what they printed, at reading speed.

    python3 docs/record_terminal.py            # binaries of build/bin, or $WAFERLINE_BIN_DIR

Real output, nothing edited but its length: a command's first lines, as many as SESSION says.
"""

import html
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/support"))
from cloud import BIN, Waferd  # noqa: E402

# (command, lines of its output that are shown)
SESSION = [
    ('waferctl complete "The lighthouse keeper" --max-tokens 24', 3),
    ("waferctl bench run --model llama-3.1-70b --num-prompts 32 --concurrency 8 --output-tokens 200", 12),
    ("waferctl faults send wafer --model llama-3.1-70b --place 1", 1),
    ("waferctl wafer predict --model llama-3.1-70b", 8),
]
COLUMNS, LINE, LEFT, TOP = 104, 19, 16, 44
TYPING, PAUSE, BETWEEN = 0.9, 0.12, 1.6  # seconds: until a command stands there, for each line, after a command


def recorded():
    """[(seconds at which it appears, is a command, text)]"""
    lines, at = [], 0.5
    with Waferd("deploy/config/demo.yaml") as server:
        env = {**os.environ, "PATH": f"{BIN.resolve()}:{os.environ['PATH']}", "WAFERLINE_SERVER": server.http, "COLUMNS": str(COLUMNS)}
        for command, shown in SESSION:
            done = subprocess.run(command, shell=True, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
            lines.append((at, True, "$ " + command))
            at += TYPING
            for text in done.stdout.rstrip("\n").split("\n")[:shown]:
                lines.append((at, False, re.sub(r"\x1b\[[0-9;]*m", "", text)[:COLUMNS]))
                at += PAUSE
            at += BETWEEN
    return lines, at


def svg(lines, end):
    width, height = LEFT * 2 + int(COLUMNS * 8.05), TOP + LINE * len(lines) + 14
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
           'aria-label="A terminal: commands of waferctl and what they print">',
           "<style>text{font:13px ui-monospace,DejaVu Sans Mono,Menlo,monospace;fill:#d7dce2;white-space:pre}.c{fill:#7ee787}"
           f".l{{opacity:0;animation:s {end + 4:.1f}s infinite}}"]
    for number, (at, _, _) in enumerate(lines):
        share = 100 * at / (end + 4)
        out.append(f"@keyframes s{number}{{0%,{share:.2f}%{{opacity:0}}{share + 0.01:.2f}%,100%{{opacity:1}}}}#l{number}{{animation-name:s{number}}}")
    out.append("@media(prefers-reduced-motion:reduce){.l{animation:none;opacity:1}}</style>")
    out.append(f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>')
    for number, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        out.append(f'<circle cx="{20 + 18 * number}" cy="18" r="6" fill="{colour}"/>')
    for number, (_, command, text) in enumerate(lines):
        kind = "l c" if command else "l"
        out.append(f'<text id="l{number}" class="{kind}" x="{LEFT}" y="{TOP + LINE * number}">{html.escape(text)}</text>')
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    (ROOT / "docs/terminal.svg").write_text(svg(*recorded()))
