"""The instrument's own watt-hour integrator against the integral of its samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from power.integral import Integral
from power.phases import Phase
from power.trace import Trace
from power.uncertainty import accuracy_limit_j

JOULES_PER_WH = 3600.0


@dataclass(frozen=True)
class CrossCheck:
    """Two ways to the same energy.

    Attributes:
        meter_wh_j: energy of the run by the integrator, joules.
        difference_j: it less the integral of the samples, joules.
        bound_j: how far the two may be apart, joules.
        agrees: they are no farther apart.
    """

    meter_wh_j: float
    difference_j: float
    bound_j: float
    agrees: bool


def cross_check(trace: Trace, run: Phase, integral: Integral) -> CrossCheck | None:
    """Compare the integrator with the integral over the run.

    The integrator's increase between the first and the last good sample of the run is divided by the increase of
    its own clock (TIME) and multiplied by the length of the run: unscaled, it is off by up to an update at each
    edge. The bound is one update, the stretch that the integrator's clock missed and the gaps, times the swing of
    the power; one step of the integrator; and the accuracy of the meter where that is known.

    Args:
        trace: the samples with `energy_wh` and `elapsed_s`.
        run: the window.
        integral: of the same window.

    Returns:
        The comparison; None where the meter has no integrator, its clock stood still, or it began anew.
    """
    # The integrator is read at the query; an averaging meter's sample stands half an update earlier.
    late_s = trace.meter.update_s / 2 if trace.meter.kind == "average" else 0.0
    read_s = trace.at_s + late_s
    usable = trace.good & np.isfinite(trace.energy_wh) & np.isfinite(trace.elapsed_s)
    usable &= (read_s >= run.begin_s) & (read_s <= run.end_s)
    energy_wh, elapsed_s = trace.energy_wh[usable], trace.elapsed_s[usable]
    if len(elapsed_s) <= 1 or bool(np.any(np.diff(elapsed_s) < 0)) or elapsed_s[-1] <= elapsed_s[0]:
        return None
    clock_s = float(elapsed_s[-1] - elapsed_s[0])
    meter_j = float(energy_wh[-1] - energy_wh[0]) * JOULES_PER_WH / clock_s * run.duration_s
    watts = trace.power_w[trace.good & (trace.at_s >= run.begin_s) & (trace.at_s <= run.end_s)]
    swing_w = float(np.ptp(watts)) if len(watts) else 0.0
    steps_wh = np.abs(np.diff(energy_wh))
    steps_wh = steps_wh[steps_wh > 0]
    step_j = float(steps_wh.min()) * JOULES_PER_WH if len(steps_wh) else 0.0
    loose_s = trace.meter.update_s + abs(run.duration_s - clock_s) + integral.gap_s
    accuracy_j = accuracy_limit_j(trace.meter, integral.energy_j, run.duration_s)
    bound_j = loose_s * swing_w + step_j + (accuracy_j or 0.0)
    difference_j = meter_j - integral.energy_j
    return CrossCheck(meter_j, difference_j, bound_j, abs(difference_j) <= bound_j)
