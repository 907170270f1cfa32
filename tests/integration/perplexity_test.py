"""The demo model predicts its held-out text as well in every weight type and by every CPU path as that type's rounding allows."""

import math

import pytest

from perplexity_table import PATHS, TYPES, files, perplexity

STORIES, CONTEXT = 10, 256
# Nats a token by which rounding activations may move the loss from that of the same weights with exact activations: nothing
# beyond the order of sums for F32; F16 and BF16 keep 14 bits or so, the others 7 of each block's largest.
ALLOWED = {"F32": 2e-4, "F16": 2e-4, "BF16": 2e-4, "Q2_K": 1e-2}  # two bits leave a model that is less sure of everything
ALLOWED_QUANTISED = 4e-3
# ... and by which rounding the weights themselves may: half a step of each type, seen from F32.
WEIGHTS = {"F32": 1e-6, "F16": 1e-3, "BF16": 1e-2, "Q8_0": 1e-2, "Q6_K": 2e-2, "Q5_K": 5e-2, "Q5_0": 5e-2, "Q5_1": 5e-2}
WEIGHTS |= {"Q4_K": 1.5e-1, "Q4_1": 1.5e-1, "IQ4_NL": 1.5e-1, "IQ4_XS": 1.5e-1, "Q4_0": 2e-1, "MXFP4": 2e-1, "Q3_K": 2e-1, "Q2_K": 1}


@pytest.fixture(name="rounded", scope="module")
def round_weights():
    """(text, {type: (file, the same numbers as F32)}, {type: loss of the latter})"""
    with files(STORIES) as (text, models):
        yield text, models, {dtype: perplexity(as_f32, text, CONTEXT)["nats_per_token"] for dtype, (_, as_f32) in models.items()}


@pytest.mark.parametrize("dtype", TYPES)
def test_rounded_weights_lose_little(rounded, dtype):
    _, _, exact = rounded
    assert math.isfinite(exact[dtype])
    assert abs(exact[dtype] - exact[TYPES[0]]) <= WEIGHTS[dtype]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("path", PATHS)
def test_rounded_activations_lose_little(rounded, dtype, path):
    text, models, exact = rounded
    result = perplexity(models[dtype][0], text, CONTEXT, path)
    if result is None and path != "portable":
        pytest.skip(f"this machine cannot run {path}")
    allowed = ALLOWED.get(dtype, ALLOWED_QUANTISED)
    if path == "avx512-bf16":
        allowed = max(allowed, ALLOWED_QUANTISED)  # what attention multiplies keeps 8 bits
    assert abs(result["nats_per_token"] - exact[dtype]) <= allowed
