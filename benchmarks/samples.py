"""Samples and what is said of them: the median, and beside it the whole range or the quartiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """Median, range and quartiles of a few samples.

    Attributes:
        median: middle sample.
        low: smallest sample.
        high: largest sample.
        count: number of samples.
        lower: first quartile, between two samples by their distance.
        upper: third quartile.
    """

    median: float
    low: float
    high: float
    count: int
    lower: float
    upper: float

    def show(self, digits: int) -> str:
        """`median (low to high)`, each with that many digits after the point."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def quartiles(self, digits: int) -> str:
        """`median [first to third quartile]`, each with that many digits after the point."""
        return f"{self.median:.{digits}f} [{self.lower:.{digits}f} to {self.upper:.{digits}f}]"


def spread(samples: Sequence[float]) -> Spread:
    """Summarise samples (ValueError when there are none)."""
    if not samples:
        raise ValueError("there are no samples")
    lower, _, upper = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [samples[0]] * 3
    return Spread(median(samples), min(samples), max(samples), len(samples), lower, upper)


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Ratio of two contestants round by round: what disturbs a round disturbs both."""
    return spread([a / b for a, b in zip(above, below, strict=True)])
