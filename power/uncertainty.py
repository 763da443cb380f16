"""How far the energy of a run may be off: one term per cause, combined at a coverage factor.

A limit (an instrument's accuracy, an edge) is taken as a rectangular distribution, so its standard uncertainty is
the limit / sqrt(3), and terms are combined as the root of the sum of squares: JCGM 100:2008 (GUM), 4.3.7 and 5.1.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from power.meter import MeterInfo

Budget = dict[str, float | None]
"""Joules over the window per term, each at the coverage factor; None is unknown."""

INTERVAL_K = 2.0
"""Coverage factor that a 95 % interval stands for."""


@dataclass(frozen=True)
class Inputs:
    """What the terms are made of.

    Attributes:
        run_s: length of the window, seconds.
        run_w: mean power of the run, watts.
        spread_w: standard deviation of the good samples of the run, watts.
        spacing_s: seconds from one good sample of the run to the next, median.
        gap_s: seconds of the run without good samples.
        idle_w: idle power, watts; None without an idle phase.
        u_idle_w: half width of its 95 % interval, watts; None without an idle phase.
        one_range: the range was the same for the idle phases and the run, and was never exceeded.
    """

    run_s: float
    run_w: float
    spread_w: float
    spacing_s: float
    gap_s: float
    idle_w: float | None
    u_idle_w: float | None
    one_range: bool


@dataclass(frozen=True)
class Budgets:
    """Terms of the three energies; terms: "reading", "range", "baseline", "edges", "gaps".

    Attributes:
        total: energy of the window.
        static: idle power times its length.
        dynamic: the difference of the two.
    """

    total: Budget
    static: Budget
    dynamic: Budget


def budgets(meter: MeterInfo, inputs: Inputs, k: float) -> Budgets:
    """The terms of total, static and dynamic energy.

    - reading: the gain error acts on the energy itself, and so on the difference for the dynamic energy.
    - range: the offset cancels in the dynamic energy as long as the range stayed; otherwise two offsets add up.
    - baseline: the interval of the idle power times the length of the run.
    - edges: step from idle to run x one update, or half of one and the spacing of samples where that is longer. A
      display that is asked at any time holds a mean of up to two updates ago, so both edges of a step are smeared, and
      the energy comes out low by 0.4 to 1.0 of this (simulated, tests/power/test_uncertainty.py).
    - gaps: seconds without samples x spread of the samples, as if the power of the whole gap were one draw.

    Args:
        meter: accuracy and update interval.
        inputs: what was measured.
        k: coverage factor of every term.

    Returns:
        Joules over the window per energy and term.
    """
    scale = k / math.sqrt(3)
    total_j = inputs.run_w * inputs.run_s
    static_j = None if inputs.idle_w is None else inputs.idle_w * inputs.run_s
    dynamic_j = None if static_j is None else total_j - static_j
    offset_j = _range_j(meter, inputs.run_s, scale)
    smear_s = max(meter.update_s, meter.update_s / 2 + inputs.spacing_s)
    edges_j = None if inputs.idle_w is None else scale * smear_s * abs(inputs.run_w - inputs.idle_w)
    baseline_j = None if inputs.u_idle_w is None else k / INTERVAL_K * inputs.u_idle_w * inputs.run_s
    gaps_j = k * inputs.gap_s * inputs.spread_w
    both_offsets_j = None if offset_j is None else math.sqrt(2) * offset_j
    return Budgets(
        total={
            "reading": _reading_j(meter, total_j, scale),
            "range": offset_j,
            "baseline": 0.0,
            "edges": edges_j,
            "gaps": gaps_j,
        },
        static={
            "reading": _reading_j(meter, static_j, scale),
            "range": offset_j,
            "baseline": baseline_j,
            "edges": 0.0,
            "gaps": 0.0,
        },
        dynamic={
            "reading": _reading_j(meter, dynamic_j, scale),
            "range": 0.0 if inputs.one_range else both_offsets_j,
            "baseline": baseline_j,
            "edges": edges_j,
            "gaps": gaps_j,
        },
    )


def combine(budget: Budget) -> float | None:
    """Root of the sum of squares of the terms, joules; None as soon as one is unknown."""
    known = [term for term in budget.values() if term is not None]
    return math.hypot(*known) if len(known) == len(budget) else None


def accuracy_limit_j(meter: MeterInfo, energy_j: float, window_s: float) -> float | None:
    """What the accuracy of the meter allows an energy to be off, joules; None where it is unknown."""
    reading_j, range_j = _reading_j(meter, energy_j, 1.0), _range_j(meter, window_s, 1.0)
    return None if reading_j is None or range_j is None else reading_j + range_j


def _reading_j(meter: MeterInfo, energy_j: float | None, scale: float) -> float | None:
    if meter.reading_pct is None or energy_j is None:
        return None
    return scale * meter.reading_pct / 100 * abs(energy_j)


def _range_j(meter: MeterInfo, window_s: float, scale: float) -> float | None:
    if meter.range_pct == 0:
        return 0.0
    if meter.range_pct is None or meter.range_w is None:
        return None
    return scale * meter.range_pct / 100 * meter.range_w * window_s
