"""The demo model predicts its held-out text as well in every weight type and by every CPU path as that type's rounding allows."""

import math
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from perplexity_table import PATHS, files, perplexity  # noqa: E402

STORIES, CONTEXT = 10, 256
# Nats a token by which rounding activations may move the loss from that of the same weights with exact activations: nothing
# beyond the order of sums for F32 and F16; BF16 keeps 8 bits of an activation, the others 7 of each block's largest.
ALLOWED = {"F32": 2e-4, "F16": 2e-4, "BF16": 4e-3}
ALLOWED_QUANTISED = 4e-3
# ... and by which rounding the weights themselves may: half a step of each type, seen from F32.
WEIGHTS = {"F32": 1e-6, "F16": 1e-3, "BF16": 1e-2, "Q8_0": 1e-2, "Q6_K": 2e-2, "Q5_K": 5e-2, "Q4_K": 1.5e-1, "Q4_0": 2e-1}


def main():
    with files(STORIES) as (text, models):
        best = None
        for dtype, (file, as_f32) in models.items():
            exact = perplexity(as_f32, text, CONTEXT)["nats_per_token"]
            best = exact if best is None else best
            assert math.isfinite(exact) and abs(exact - best) <= WEIGHTS[dtype], (dtype, exact, best)
            losses = {path: result["nats_per_token"] for path in PATHS if (result := perplexity(file, text, CONTEXT, path))}
            print(dtype, "exact", exact, losses, flush=True)
            assert "portable" in losses
            for path, loss in losses.items():
                assert abs(loss - exact) <= ALLOWED.get(dtype, ALLOWED_QUANTISED), (dtype, path, loss, exact)


if __name__ == "__main__":
    main()
