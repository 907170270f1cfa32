"""A roofline plot per matrix kernel (SVG): what kernels_bench measures for each weight type, under the machine's own ceilings.

    python3 tests/bench/roofline.py --out FOLDER [--type Q8_0 ...] [--rounds 3] [--threads 2]

The horizontal axis is operations for each byte of weights read, so one row of activations is on the left (bound by memory) and a
prompt on the right (bound by arithmetic); the vertical axis is what was done in a second. Ceilings are medians over the points of the
plot, as each point is measured with its own, one after the other. Points whose weights stay in the caches may be above the slope: it
is that of main memory.
"""

import argparse
import html
import json
import math
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cloud import BIN  # noqa: E402

BENCH = BIN.parent / "bench/kernels_bench"
TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "MXFP4", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "BF16", "F16", "F32"]
FROM_MEMORY, CACHED = "#d55e00", "#56b4e9"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 480, 70, 30, 50, 60


def measure(kind, options):
    if sys.stderr.isatty():
        print(f"\r\033[K{kind}: measuring", end="", file=sys.stderr, flush=True)
    command = [BENCH, "--json", "--only", f"{kind} ", "--rounds", options.rounds, "--threads", options.threads]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"roofline: kernels_bench ended with {done.returncode}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


class Axes:
    """Both logarithmic, from and to whole decades."""

    def __init__(self, xs, ys):
        self.x = [math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)))]
        self.y = [math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))]

    def at(self, x, y):
        along = (math.log10(x) - self.x[0]) / (self.x[1] - self.x[0])
        up = (math.log10(y) - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + along * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, anchor="middle", size=12):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{html.escape(words)}</text>'


def grid(axes):
    parts = []
    for decade in range(axes.x[0], axes.x[1] + 1):
        x, bottom = axes.at(10.0**decade, 10.0 ** axes.y[0])
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#ddd"/>' + text(x, bottom + 18, f"{10.0**decade:g}"))
    for decade in range(axes.y[0], axes.y[1] + 1):
        left, y = axes.at(10.0 ** axes.x[0], 10.0**decade)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#ddd"/>' + text(left - 8, y + 4, f"{10.0**decade:g}", "end"))
    return parts


def plot(kind, points, threads):
    read = statistics.median(p["gb_per_s"] / p["read_share"] for p in points)
    peak = statistics.median(p["gop_per_s"] / p["compute_share"] for p in points)
    for point in points:
        point["intensity"] = point["gop_per_s"] / point["gb_per_s"]
    axes = Axes([p["intensity"] for p in points], [p["gop_per_s"] for p in points] + [peak])
    # The slope begins where it comes into the picture.
    ends = [max(10.0 ** axes.x[0], 10.0 ** axes.y[0] / read), peak / read, 10.0 ** axes.x[1]]
    roof = " ".join("{:.1f},{:.1f}".format(*axes.at(x, min(peak, read * x))) for x in ends)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *grid(axes),
             f'<polyline points="{roof}" fill="none" stroke="#0072b2" stroke-width="2"/>',
             text(WIDTH / 2, 24, f"{kind} products, {threads} threads: {read:.1f} GB/s, {peak:.0f} Gop/s", size=15),
             text(WIDTH / 2, HEIGHT - 16, "operations per byte of weights"),
             f'<g transform="rotate(-90 20 {HEIGHT / 2})">{text(20, HEIGHT / 2, "Gop/s")}</g>']
    for row, (fill, words) in enumerate([(FROM_MEMORY, "weights from memory"), (CACHED, "weights in the caches")]):
        y = HEIGHT - BOTTOM - 40 + 18 * row
        parts.append(f'<circle cx="{WIDTH - 190}" cy="{y}" r="5" fill="{fill}"/>' + text(WIDTH - 178, y + 4, words, "start"))
    labelled = set()
    for point in points:
        x, y = axes.at(point["intensity"], point["gop_per_s"])
        size = f"{point['rows']} x {point['cols']}, n = {point['n']}" + (", in the caches" if point["cached"] else "")
        tip = f"{size}: {point['gop_per_s']:.0f} Gop/s, {100 * point['read_share']:.0f} % of read, {100 * point['compute_share']:.0f} % of peak"
        fill = CACHED if point["cached"] else FROM_MEMORY
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{fill}"><title>{html.escape(tip)}</title></circle>')
        if not point["cached"] and point["n"] not in labelled:
            labelled.add(point["n"])
            parts.append(text(x - 2, y + 18, f"n={point['n']}", "end" if x > WIDTH - 100 else "start", 11))
    return "\n".join(parts + ["</svg>\n"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True, metavar="FOLDER")
    parser.add_argument("--type", action="append", choices=TYPES, help="of the weights; all if absent")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    if not BENCH.is_file():
        sys.exit(f"roofline: {BENCH} is missing; build the target kernels_bench")
    options.out.mkdir(parents=True, exist_ok=True)
    for kind in options.type or TYPES:
        points = measure(kind, options)
        (options.out / f"roofline-{kind}.svg").write_text(plot(kind, points, options.threads))
    print(f"wrote {options.out}/roofline-*.svg")


if __name__ == "__main__":
    main()
