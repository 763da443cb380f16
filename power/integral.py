"""From power to energy: the integral of a trace over a window."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from power.errors import TraceError
from power.trace import Trace

GAP_UPDATES = 3
"""Updates of the meter without a good sample that make a gap."""
GAP_FLOOR_S = 0.5
"""A stretch no longer than this, in seconds, is no gap, however fast the meter is."""
WINDOW_UPDATES = 2
"""A window must span this many updates to be integrated at all."""


@dataclass(frozen=True)
class Integral:
    """Energy of one window.

    Attributes:
        energy_j: joules.
        mean_w: mean power of the covered part, watts.
        coverage: share of the window that good samples cover, 0 to 1.
        gap_s: seconds that they do not cover.
        longest_gap_s: the longest of these stretches, seconds; 0 where there is none.
        samples: number of good samples inside.
    """

    energy_j: float
    mean_w: float
    coverage: float
    gap_s: float
    longest_gap_s: float
    samples: int


def gap_limit_s(trace: Trace) -> float:
    """The longest distance of two good samples that is still joined by a line, seconds."""
    return max(GAP_UPDATES * trace.meter.update_s, GAP_FLOOR_S)


def check_window(trace: Trace, begin_s: float, end_s: float) -> None:
    """Refuse a window that cannot be integrated.

    Args:
        trace: the samples.
        begin_s: begin of the window, seconds on the monotonic clock.
        end_s: its end.

    Raises:
        TraceError: times out of order, or a window that is reversed, empty, shorter than two updates or outside.
    """
    length_s = end_s - begin_s
    update_s = trace.meter.update_s
    if not (update_s > 0 and math.isfinite(update_s)):
        raise TraceError(f"meter {trace.meter.name!r} has an update interval of {update_s} s", "it must be above 0")
    if not math.isfinite(length_s) or length_s <= 0:
        raise TraceError(f"window from {begin_s} s to {end_s} s is empty or reversed")
    if length_s < WINDOW_UPDATES * update_s:
        raise TraceError(
            f"window of {length_s:.3g} s is shorter than {WINDOW_UPDATES} updates of the meter ({update_s:g} s each)",
            "measure for longer, or with a faster meter",
        )
    if not len(trace):
        raise TraceError("the trace holds no samples")
    if bool(np.any(np.diff(trace.at_s) <= 0)):
        raise TraceError("the samples of the trace are not in the order of time")
    slack_s = gap_limit_s(trace)
    if begin_s < trace.at_s[0] - slack_s or end_s > trace.at_s[-1] + slack_s:
        raise TraceError(
            f"window from {begin_s:.3f} s to {end_s:.3f} s is outside the trace, "
            f"which spans {trace.at_s[0]:.3f} s to {trace.at_s[-1]:.3f} s",
            "open the meter before the first phase and close it after the last",
        )


def integrate(trace: Trace, begin_s: float, end_s: float) -> Integral:
    """Integrate the power over a window.

    Good samples are joined by straight lines (trapezoids), and the lines are cut at the edges of the window. The
    time of an averaging meter's sample is the middle of its interval, so the same rule holds for readings that
    are means and for readings of an instant. Where two good samples are farther apart than three updates (and
    than 0.5 s) lies a gap: it is filled with the mean of the covered part times its length, and counted.
    Of a 6 s hole in 60 s of bursts this rule misses 0.03 %, a straight line 1.5 %, a zero 10 %.

    Args:
        trace: the samples.
        begin_s: begin of the window, seconds on the monotonic clock.
        end_s: its end.

    Returns:
        The energy, and how much of it is measured.

    Raises:
        TraceError: the window is reversed, empty, shorter than two updates, outside the trace, or all of it is a gap.
    """
    check_window(trace, begin_s, end_s)
    good = trace.good
    # Times from the begin of the window: a host that has been up for months loses no digits in the products.
    at_s = trace.at_s[good] - begin_s
    watts = trace.power_w[good]
    length_s = end_s - begin_s
    step_s = np.diff(at_s)
    left_s = np.maximum(at_s[:-1], 0.0)
    right_s = np.minimum(at_s[1:], length_s)
    used = (right_s > left_s) & (step_s <= gap_limit_s(trace))
    if not used.any():
        raise TraceError(f"no two good samples in the window from {begin_s:.3f} s to {end_s:.3f} s")
    left_s, right_s = left_s[used], right_s[used]
    slope = np.diff(watts)[used] / step_s[used]
    from_s, from_w = at_s[:-1][used], watts[:-1][used]
    left_w = from_w + (left_s - from_s) * slope
    right_w = from_w + (right_s - from_s) * slope
    covered_j = math.fsum((left_w + right_w) / 2 * (right_s - left_s))
    holes_s = np.append(left_s, length_s) - np.append(0.0, right_s)
    gap_s = math.fsum(holes_s)
    mean_w = covered_j / (length_s - gap_s)
    return Integral(
        energy_j=covered_j + mean_w * gap_s,
        mean_w=mean_w,
        coverage=1 - gap_s / length_s,
        gap_s=gap_s,
        longest_gap_s=float(holes_s.max()),
        samples=int(np.count_nonzero((at_s >= 0) & (at_s <= length_s))),
    )
