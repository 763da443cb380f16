"""From a trace, its phases and a count of frames to static and dynamic energy per inference, with a verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from power.arithmetic import Arithmetic, Pace, arithmetic
from power.baseline import Baseline, baseline
from power.cross_check import CrossCheck, cross_check
from power.errors import TraceError
from power.integral import Integral, integrate
from power.meter import MeterInfo
from power.phases import Phase, PhaseName, by_name
from power.trace import Trace
from power.uncertainty import Budget, Budgets, Inputs, budgets, combine
from power.verdict import Settings, came_instead, coverage_reasons, energy_reasons, notes, phase_reasons, seen_flags

SCHEMA = 1
"""Version of the document that `Energy.to_document` makes."""


@dataclass(frozen=True)
class Energy:
    """Energy of one run. A figure that cannot be made is None; an INVALID result still shows what it has.

    Attributes:
        status: VALID where nothing speaks against it.
        reasons: what speaks against it, one sentence each.
        notes: what to know besides.
        frames: verified inferences in the run.
        run_s: length of the run, seconds.
        run_w: its mean power, watts.
        idle_w: idle power at its middle, watts.
        total_j: energy of the run, joules.
        static_j: idle power x length of the run, joules.
        dynamic_j: the rest, joules; what the inferences cost whatever the machine idles at.
        u_total_j: uncertainty of `total_j` at `settings.k`, joules.
        u_static_j: of `static_j`.
        u_dynamic_j: of `dynamic_j`.
        total_j_per_frame: joules per inference.
        static_j_per_frame: joules per inference.
        dynamic_j_per_frame: joules per inference.
        u_total_j_per_frame: uncertainty at `settings.k`, joules per inference.
        u_static_j_per_frame: likewise.
        u_dynamic_j_per_frame: likewise.
        inferences_per_j: frames / total energy.
        time_per_frame_s: length of the run / frames: the mean interval between completions, not the latency of a
            frame. Power x latency counts each joule once for every frame in flight (Little's law).
        edp_j_s: energy-delay product, total energy per frame x `time_per_frame_s`, joule seconds.
        coverage: share of the run that good samples cover.
        longest_gap_s: longest stretch of the run that they do not, seconds.
        budget: terms of `u_dynamic_j`, joules at `settings.k`: reading, range, baseline, edges, gaps.
        total_budget: terms of `u_total_j`.
        static_budget: terms of `u_static_j`.
        meter_wh_j: energy of the run by the meter's own integrator, scaled by its clock, joules.
        check: the comparison with it; None without an integrator.
        arithmetic: power x time beside it; None where the source's clock is not known.
        baseline: how the idle power was found; None without an idle phase.
        phases: the marked phases, in the order of time.
        meter: what measured.
        settings: limits in force.
    """

    status: Literal["VALID", "INVALID"]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    frames: int
    run_s: float | None
    run_w: float | None
    idle_w: float | None
    total_j: float | None
    static_j: float | None
    dynamic_j: float | None
    u_total_j: float | None
    u_static_j: float | None
    u_dynamic_j: float | None
    total_j_per_frame: float | None
    static_j_per_frame: float | None
    dynamic_j_per_frame: float | None
    u_total_j_per_frame: float | None
    u_static_j_per_frame: float | None
    u_dynamic_j_per_frame: float | None
    inferences_per_j: float | None
    time_per_frame_s: float | None
    edp_j_s: float | None
    coverage: float | None
    longest_gap_s: float | None
    budget: Budget
    total_budget: Budget
    static_budget: Budget
    meter_wh_j: float | None
    check: CrossCheck | None
    arithmetic: Arithmetic | None
    baseline: Baseline | None
    phases: tuple[Phase, ...]
    meter: MeterInfo
    settings: Settings

    def to_document(self) -> dict[str, Any]:
        """The result as plain JSON data: schema version, every figure, setting, term and reason; never NaN."""
        document = _plain(dataclasses.asdict(self))
        return {"schema": SCHEMA, **document}


def analyze(
    trace: Trace, phases: Sequence[Phase], frames: int, settings: Settings | None = None, pace: Pace | None = None
) -> Energy:
    """Split the energy of a run into static and dynamic, per inference.

    Energy per inference is that of the window over the number of frames. Only the trace, the phases and the count
    enter, so that the result can be made again from the recorded file, to the last bit.

    Args:
        trace: the samples, from before the first phase until after the last.
        phases: "run" and at least one idle phase, best both.
        frames: distinct verified inferences in the run.
        settings: limits; the defaults where None.
        pace: how fast the frames came by the clock of their source, for the comparison with power x time.

    Returns:
        The energies with uncertainty, and whether they may be published.

    Raises:
        TraceError: phases that are named twice or overlap.
    """
    settings = settings or Settings()
    named = by_name(phases)
    reasons = phase_reasons(trace, named, frames, settings)
    integrals, problems = _integrals(trace, named, settings)
    reasons += problems
    idle: Baseline | None = None
    if "idle before" in integrals or "idle after" in integrals:
        try:
            idle = baseline(trace, [phase for name, phase in named.items() if name == "run" or name in integrals])
        except TraceError as error:
            reasons.append(error.message)
    run, whole = named.get("run"), integrals.get("run")
    check = None if run is None or whole is None else cross_check(trace, run, whole)
    product = None
    if run is not None and whole is not None and pace is not None:
        product = arithmetic(trace, run, whole, frames, pace)
    if whole is not None:
        reasons += energy_reasons(whole, idle, check, product)
    one_range = trace.meter.range_mode == "fixed" and not seen_flags(trace, named) & {"overrange", "range"}
    terms = _terms(trace, run, whole, idle, settings.k, one_range=one_range)
    run_s = None if run is None or whole is None else run.duration_s
    total_j = None if whole is None else whole.energy_j
    idle_w = None if idle is None else idle.mean_w
    static_j = None if idle_w is None or run_s is None else idle_w * run_s
    dynamic_j = None if static_j is None or total_j is None else total_j - static_j
    u_total_j, u_static_j, u_dynamic_j = (
        combine(budget) if budget else None for budget in (terms.total, terms.static, terms.dynamic)
    )
    time_per_frame_s, total_j_per_frame = _per(run_s, frames), _per(total_j, frames)
    return Energy(
        status="INVALID" if reasons else "VALID",
        reasons=tuple(reasons),
        notes=tuple(notes(trace, named, idle)),
        frames=frames,
        run_s=run_s,
        run_w=None if whole is None else whole.mean_w,
        idle_w=idle_w,
        total_j=total_j,
        static_j=static_j,
        dynamic_j=dynamic_j,
        u_total_j=u_total_j,
        u_static_j=u_static_j,
        u_dynamic_j=u_dynamic_j,
        total_j_per_frame=total_j_per_frame,
        static_j_per_frame=_per(static_j, frames),
        dynamic_j_per_frame=_per(dynamic_j, frames),
        u_total_j_per_frame=_per(u_total_j, frames),
        u_static_j_per_frame=_per(u_static_j, frames),
        u_dynamic_j_per_frame=_per(u_dynamic_j, frames),
        inferences_per_j=None if not total_j or total_j < 0 or frames <= 0 else frames / total_j,
        time_per_frame_s=time_per_frame_s,
        edp_j_s=None if total_j_per_frame is None or time_per_frame_s is None else total_j_per_frame * time_per_frame_s,
        coverage=None if whole is None else whole.coverage,
        longest_gap_s=None if whole is None else whole.longest_gap_s,
        budget=terms.dynamic,
        total_budget=terms.total,
        static_budget=terms.static,
        meter_wh_j=None if check is None else check.meter_wh_j,
        check=check,
        arithmetic=product,
        baseline=idle,
        phases=tuple(named.values()),
        meter=trace.meter,
        settings=settings,
    )


def _integrals(
    trace: Trace, named: Mapping[PhaseName, Phase], settings: Settings
) -> tuple[dict[PhaseName, Integral], list[str]]:
    """Integral of every phase that has one, and what is wrong with the phases."""
    found: dict[PhaseName, Integral] = {}
    reasons = []
    for name, phase in named.items():
        try:
            found[name] = integrate(trace, phase.begin_s, phase.end_s)
        except TraceError as error:
            reasons.append(f"phase {name!r}: {error.message}{came_instead(trace, phase)}")
        else:
            reasons += coverage_reasons(trace, phase, found[name], settings)
    return found, reasons


def _terms(
    trace: Trace, run: Phase | None, whole: Integral | None, idle: Baseline | None, k: float, *, one_range: bool
) -> Budgets:
    if run is None or whole is None:
        return Budgets({}, {}, {})
    inside = trace.good & (trace.at_s >= run.begin_s) & (trace.at_s <= run.end_s)
    inputs = Inputs(
        run_s=run.duration_s,
        run_w=whole.mean_w,
        spread_w=float(np.std(trace.power_w[inside])) if inside.any() else 0.0,
        spacing_s=float(np.median(np.diff(trace.at_s[inside]))) if inside.sum() > 1 else run.duration_s,
        gap_s=whole.gap_s,
        idle_w=None if idle is None else idle.mean_w,
        u_idle_w=None if idle is None else idle.u_w,
        one_range=one_range,
    )
    return budgets(trace.meter, inputs, k)


def _per(amount: float | None, frames: int) -> float | None:
    return None if amount is None or frames <= 0 else amount / frames


def _plain(value: Any) -> Any:
    """The same data of dicts, lists, text, numbers and None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
