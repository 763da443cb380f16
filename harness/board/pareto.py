"""Which points no other point beats in two metrics at once (pure)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.metrics import Better


def frontier(x: npt.ArrayLike, y: npt.ArrayLike, better_x: Better, better_y: Better) -> npt.NDArray[np.bool_]:
    """Mark the Pareto frontier of points in the plane, in O(n log n).

    A point is beaten by another that is at least as good in both metrics and better in one. Points that are equal
    in both stand or fall together; a point with a missing figure (NaN) or an infinite one is never on the frontier
    and beats nobody.

    Args:
        x: figures of one metric, shape (n,).
        y: figures of the other, shape (n,).
        better_x: which way `x` improves.
        better_y: which way `y` improves.

    Returns:
        True for each point on the frontier, shape (n,).

    Raises:
        ValueError: the shapes differ, or a metric has no better direction.
    """
    gain_x, gain_y = _gain(x, better_x), _gain(y, better_y)
    if gain_x.shape != gain_y.shape:
        raise ValueError(f"{gain_x.shape} figures against {gain_y.shape}")
    kept = np.zeros(gain_x.shape, dtype=np.bool_)
    known = np.flatnonzero(np.isfinite(gain_x) & np.isfinite(gain_y))
    if not len(known):
        return kept
    order = known[np.lexsort((-gain_y[known], -gain_x[known]))]
    best_x, best_y = gain_x[order], gain_y[order]
    # Points of one x form a group, the best y first: only that y may stand, and only above all earlier groups.
    begins = np.flatnonzero(np.concatenate([[True], np.diff(best_x) != 0]))
    group = np.cumsum(np.concatenate([[0], np.diff(best_x) != 0]))
    tops = best_y[begins]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(tops)[:-1]])
    kept[order] = (best_y == tops[group]) & (best_y > before[group])
    return kept


def _gain(figures: npt.ArrayLike, better: Better) -> npt.NDArray[np.float64]:
    """Figures turned so that more is better."""
    values = np.asarray(figures, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"figures of shape {values.shape} are no list")
    if better is Better.NEITHER:
        raise ValueError("a metric without a better direction has no frontier")
    return values if better is Better.HIGHER else -values
