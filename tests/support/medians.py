"""The median of measurements, with what it may be."""

import math
import statistics


def median_between(values):
    """(median, low, high): 95 % that the median of what was measured lies from low to high, by ranks (the sign test: nothing is assumed of
    the distribution). Of fewer than six the range is all there is."""
    ordered, n = sorted(values), len(values)
    out, below = 0, 0.5**n  # how many are left out at each end; the chance that more than that are beyond the median there
    while out + 1 <= n // 2 and below <= 0.025:
        out += 1
        below += math.comb(n, out) * 0.5**n
    rank = max(out - 1, 0)
    return statistics.median(ordered), ordered[rank], ordered[n - 1 - rank]
