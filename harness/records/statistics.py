"""Figures from raw samples (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.99
"""Confidence of every percentile that is printed (MLPerf Inference's early stopping uses the same)."""
PERCENTILES = (50, 90, 95, 99)


def percentile(samples: Sequence[float], percent: int) -> float:
    """The smallest sample that at least `percent` % of the samples do not exceed (nearest rank).

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("a percentile needs samples")
    rank = max(1, math.ceil(len(samples) * percent / 100))
    return sorted(samples)[rank - 1]


def samples_needed(percent: int, over: int = 1) -> int:
    """Samples that support a percentile.

    The rule of MLPerf Inference's early stopping: with `over` samples above the percentile allowed, the count
    must be so large that a system whose true percentile is worse would show so few with a probability of 1 %
    at most. For one sample over: 11 for p50, 64 for p90, 130 for p95, 662 for p99.
    """
    tail = 1 - percent / 100
    count = over + 1
    while _at_most(over, count, tail) > 1 - CONFIDENCE:
        count += 1
    return count


def supported_percentiles(count: int) -> tuple[int, ...]:
    """Percentiles that so many samples support."""
    return tuple(percent for percent in PERCENTILES if count >= samples_needed(percent))


def _at_most(over: int, count: int, tail: float) -> float:
    """Probability of at most `over` events among `count`, each of probability `tail` (binomial)."""
    return math.fsum(math.comb(count, k) * tail**k * (1 - tail) ** (count - k) for k in range(over + 1))
