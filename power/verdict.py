"""Whether an energy may be published: rules as data, and the reasons that speak against it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from power.arithmetic import Arithmetic
from power.baseline import Baseline
from power.cross_check import CrossCheck
from power.errors import PowerError
from power.integral import Integral
from power.meter import REPLAY
from power.phases import Phase, PhaseName
from power.trace import FLAGS, Trace

BROKEN_FLAGS = ("frozen", "restarted", "replaced", "range")
"""Flags after which the samples are not those of one live instrument in one range."""
IDLE_AIM_S = 30.0
"""An idle phase of this length is what the interval of the baseline was checked for."""


@dataclass(frozen=True)
class Settings:
    """Limits of a valid measurement.

    Attributes:
        coverage_min: least share of a phase that good samples cover; 0.95, as a hole of 10 % in a run of bursts
            moves the energy by up to 1.5 % when it is filled badly.
        gap_max_s: longest stretch without good samples, seconds; 2.0.
        updates_min: least length of the run in updates of the meter; 20, where an edge moves the energy by some
            per cent already.
        k: coverage factor of every uncertainty; 2.0, about 95 %.
    """

    coverage_min: float = 0.95
    gap_max_s: float = 2.0
    updates_min: int = 20
    k: float = 2.0

    def __post_init__(self) -> None:
        """Refuse limits that limit nothing.

        Raises:
            PowerError: a value out of its range.
        """
        if not 0 < self.coverage_min <= 1:
            raise PowerError(f"coverage_min is {self.coverage_min}", "it is a share above 0, up to 1")
        if not self.gap_max_s >= 0:
            raise PowerError(f"gap_max_s is {self.gap_max_s}", "it is a number of seconds, 0 or more")
        if not self.updates_min >= 1:
            raise PowerError(f"updates_min is {self.updates_min}", "it is a number of updates, 1 or more")
        if not (self.k > 0 and math.isfinite(self.k)):
            raise PowerError(f"k is {self.k}", "a coverage factor is above 0; 2 is about 95 %")


def seen_flags(trace: Trace, phases: Mapping[PhaseName, Phase]) -> frozenset[str]:
    """Flags between the begin of the first phase and the end of the last."""
    if not phases:
        return frozenset()
    begin_s = min(phase.begin_s for phase in phases.values())
    end_s = max(phase.end_s for phase in phases.values())
    inside = np.flatnonzero((trace.at_s >= begin_s) & (trace.at_s <= end_s))
    return frozenset(trace.flags[index] for index in inside) - {""}


def phase_reasons(trace: Trace, phases: Mapping[PhaseName, Phase], frames: int, settings: Settings) -> list[str]:
    """Reasons that need no energy: what is missing, too short, or flagged."""
    reasons = []
    if frames <= 0:
        reasons.append(f"no frames: {frames} verified inferences in the run")
    run = phases.get("run")
    if run is None:
        reasons.append("no run phase was marked")
    elif 0 < run.duration_s < settings.updates_min * trace.meter.update_s:
        reasons.append(
            f"run of {run.duration_s:.5g} s is shorter than {settings.updates_min} updates of the meter "
            f"({settings.updates_min * trace.meter.update_s:g} s): measure more frames"
        )
    if not any(name != "run" for name in phases):
        reasons.append("no idle phase was marked: static and dynamic energy are unknown")
    flags = seen_flags(trace, phases)
    reasons += [f"samples flagged {flag!r}: {FLAGS[flag]}" for flag in BROKEN_FLAGS if flag in flags]
    if "overrange" in flags:
        reasons.append("power above the range of the meter: the range does not hold for the whole measurement")
    if trace.meter.resource.startswith(REPLAY):
        reasons.append("the power is that of a recording, not of this run")
    if trace.meter.range_mode == "automatic":
        reasons.append("the range of the meter was not fixed: a range change breaks the difference of run and idle")
    return reasons


def came_instead(trace: Trace, phase: Phase) -> str:
    """What came in place of good samples in a phase, most frequent first, to be appended; "" where nothing did."""
    inside = np.flatnonzero((trace.at_s >= phase.begin_s) & (trace.at_s <= phase.end_s))
    seen = Counter(trace.flags[index] for index in inside if trace.flags[index])
    words = ", ".join(f"{count} x {flag!r} ({FLAGS[flag]})" for flag, count in seen.most_common(3))
    return f"; instead came {words}" if words else ""


def coverage_reasons(trace: Trace, phase: Phase, integral: Integral, settings: Settings) -> list[str]:
    """Reasons of one phase: too little of it measured, or a gap that is too long."""
    reasons, name, instead = [], phase.name, came_instead(trace, phase)
    if integral.coverage < settings.coverage_min:
        reasons.append(
            f"phase {name!r} is covered to {100 * integral.coverage:.1f} %, less than {100 * settings.coverage_min:g} %"
            f"{instead}"
        )
    if integral.longest_gap_s > settings.gap_max_s:
        reasons.append(
            f"phase {name!r} has a gap of {integral.longest_gap_s:.2f} s, longer than {settings.gap_max_s:g} s{instead}"
        )
    return reasons


def energy_reasons(
    run: Integral, idle: Baseline | None, check: CrossCheck | None, product: Arithmetic | None
) -> list[str]:
    """Reasons in the figures: idle above run, two ways to one energy that disagree."""
    reasons = []
    for name, mean_w in (("run", run.mean_w), ("idle phases", None if idle is None else idle.mean_w)):
        if mean_w is not None and not mean_w > 0:
            reasons.append(f"the mean power of the {name} is {mean_w:.4g} W, and should be above 0")
    # A run without load is below idle by chance each second time; the run's mean is as uncertain as that of idling.
    if idle is not None and idle.mean_w - run.mean_w > 2 * idle.u_w:
        reasons.append(f"idle power of {idle.mean_w:.6g} W is above the {run.mean_w:.6g} W of the run")
    if check is not None and not check.agrees:
        reasons.append(
            f"the meter's own integrator is {check.difference_j:+.3g} J off the samples, "
            f"more than {check.bound_j:.3g} J"
        )
    if product is not None and not product.agrees:
        reasons.append(
            f"power x time per frame is {product.difference_j:+.3g} J per frame off the integral, more than "
            f"{product.bound_j:.3g} J: the window of the frames and that of the power are not the same"
        )
    return reasons


def notes(trace: Trace, phases: Mapping[PhaseName, Phase], idle: Baseline | None) -> list[str]:
    """What a reader should know of a result that may still be valid."""
    meter = trace.meter
    found = [] if idle is None else list(idle.flags)
    found += [
        f"phase {phase.name!r} lasts {phase.duration_s:.3g} s, less than the {IDLE_AIM_S:g} s aimed at"
        for phase in phases.values()
        if phase.name != "run" and phase.duration_s < IDLE_AIM_S
    ]
    if meter.reading_pct is None:
        found.append("the meter's accuracy (reading %) is unknown: no uncertainty can be given")
    if meter.range_pct is None or (meter.range_pct > 0 and meter.range_w is None):
        found.append(
            "the meter's range or its accuracy (range %) is unknown: no uncertainty of total and static energy"
        )
    if meter.range_mode == "unknown":
        found.append("whether the meter's range stayed the same is unknown: its offset is not taken to cancel")
    if meter.kind == "point":
        found.append("point readings: what happens between two readings is not in the uncertainty")
    if not meter.measured:
        found.append("the power is made up, not measured")
    return found
