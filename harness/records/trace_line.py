"""A power trace as a line to draw: thinned, and broken where there are no samples (pure)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Line = list[float | None]


def thin(values: Array, most: int) -> npt.NDArray[np.intp]:
    """Indexes to draw: all of them, or the ends and the extremes of each stretch, ascending."""
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 2 + 1).astype(np.intp)
    stretches = [(begin, values[begin:end]) for begin, end in pairwise(edges)]
    extremes = [begin + int(pick(part)) for begin, part in stretches for pick in (np.argmin, np.argmax)]
    return np.unique(np.array([0, *extremes, len(values) - 1], dtype=np.intp))


def broken_line(at_s: Array, watts: Array, limit_s: float, most: int) -> tuple[Line, Line, int]:
    """Points of the line; it stops at the last sample before a gap and begins anew behind it.

    Args:
        at_s: times of the good samples, seconds, ascending; shape (n,).
        watts: their power; shape (n,).
        limit_s: a longer spacing is a gap.
        most: points that are drawn at most, about.

    Returns:
        Times and watts with None at each break, and how many samples are drawn.
    """
    breaks = np.flatnonzero(np.diff(at_s) > limit_s)
    kept = thin(watts, most)
    if len(kept) < len(watts):
        kept = np.unique(np.concatenate([kept, breaks, breaks + 1])).astype(np.intp)
    line_s: Line = []
    line_w: Line = []
    broken = set(breaks.tolist())
    for index in kept.tolist():
        line_s.append(float(at_s[index]))
        line_w.append(float(watts[index]))
        if index in broken:
            line_s.append(None)
            line_w.append(None)
    return line_s, line_w, len(kept)
