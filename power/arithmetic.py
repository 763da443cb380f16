"""The arithmetic of the 2018 paper, power x time, beside the integral: where it holds, and where it is refused.

Energy per inference is the energy of the run over its frames. A mean power times the mean interval between
completions is the same quantity and must agree. A mean power times the latency of a frame is not: with L frames in
flight every joule is counted L times (Little's law, L = rate x latency; J. D. C. Little, 1961).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from power.errors import PowerError
from power.integral import Integral
from power.phases import Phase
from power.trace import Trace

_ONE: Final = 1.001
"""Frames in flight that still count as one: the clock is read before and after each."""
_EDGES_S: Final = 0.1
"""The source's window and the marked one begin and end within this of each other."""


@dataclass(frozen=True)
class Pace:
    """How fast the frames of a run came, by the clock of their source.

    Attributes:
        window_s: first send to last verified result, seconds.
        latency_mean_s: mean of send to verified result of one frame, seconds.
    """

    window_s: float
    latency_mean_s: float

    def __post_init__(self) -> None:
        """Refuse what is no time.

        Raises:
            PowerError: not finite, or not above 0.
        """
        for name in ("window_s", "latency_mean_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise PowerError(f"{name} is {value}", "it is a number of seconds above 0")


@dataclass(frozen=True)
class Arithmetic:
    """Power x time, per inference.

    Attributes:
        power_w: plain mean of the good samples of the run, watts.
        period_s: window / frames: the mean interval between completions, seconds.
        period_j: `power_w` x `period_s`, joules.
        difference_j: it less the integral over the frames, joules.
        bound_j: how far the two may be apart, joules.
        agrees: they are no farther apart.
        in_flight: frames in flight on average, by Little's law.
        latency_j: `power_w` x mean latency, joules; None where it is refused.
        refused: why; "" where it is not.
    """

    power_w: float
    period_s: float
    period_j: float
    difference_j: float
    bound_j: float
    agrees: bool
    in_flight: float
    latency_j: float | None
    refused: str


def arithmetic(trace: Trace, run: Phase, integral: Integral, frames: int, pace: Pace) -> Arithmetic | None:
    """Compute the paper's energies and compare the one that may be compared.

    The bound is the swing of the power times what the two windows may differ by: an update of the meter and the
    widest spacing of samples at each edge, and the gaps; and the mean power times `_EDGES_S`.

    Args:
        trace: the samples.
        run: the marked window.
        integral: of the same window.
        frames: distinct verified inferences, above 0.
        pace: by the source's clock.

    Returns:
        The figures; None where the run has no good sample, or no frame.
    """
    inside = trace.good & (trace.at_s >= run.begin_s) & (trace.at_s <= run.end_s)
    if frames <= 0 or not inside.any():
        return None
    watts, at_s = trace.power_w[inside], trace.at_s[inside]
    power_w = float(watts.mean())
    period_s = pace.window_s / frames
    spacing_s = float(np.diff(at_s).max()) if len(at_s) > 1 else run.duration_s
    loose_s = trace.meter.update_s + 2 * spacing_s + integral.gap_s
    bound_j = (loose_s * float(np.ptp(watts)) + _EDGES_S * abs(power_w)) / frames
    difference_j = power_w * period_s - integral.energy_j / frames
    in_flight = frames * pace.latency_mean_s / pace.window_s
    alone = in_flight <= _ONE
    return Arithmetic(
        power_w=power_w,
        period_s=period_s,
        period_j=power_w * period_s,
        difference_j=difference_j,
        bound_j=bound_j,
        agrees=abs(difference_j) <= bound_j,
        in_flight=in_flight,
        latency_j=power_w * pace.latency_mean_s if alone else None,
        refused="" if alone else _refusal(in_flight),
    )


def _refusal(in_flight: float) -> str:
    return (
        f"power x latency is refused: {in_flight:.2f} frames were in flight on average, so it would count every joule "
        f"{in_flight:.2f} times (Little's law); power x time per frame is the comparison that holds"
    )
