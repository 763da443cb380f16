"""Samples and what is said of them: the median, and the whole range beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Spread:
    """Median and range of a few samples.

    Attributes:
        median: middle sample.
        low: smallest sample.
        high: largest sample.
        count: number of samples.
    """

    median: float
    low: float
    high: float
    count: int

    def show(self, digits: int) -> str:
        """`median (low to high)`, each with that many digits after the point."""
        return f"{self.median:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def spread(samples: Sequence[float]) -> Spread:
    """Summarise samples (ValueError when there are none)."""
    if not samples:
        raise ValueError("there are no samples")
    return Spread(median(samples), min(samples), max(samples), len(samples))


def ratios(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Ratio of two contestants round by round: what disturbs a round disturbs both."""
    return spread([a / b for a, b in zip(above, below, strict=True)])
