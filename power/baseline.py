"""The idle power under a run, and how well it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from power.errors import TraceError
from power.integral import check_window
from power.phases import Phase, by_name
from power.trace import Trace

BATCHES_MIN, BATCHES_MAX = 10, 20
"""Batches per idle phase: fewer give a wide interval, more give batches that are too short to be independent."""
UPDATES_PER_BATCH = 60
"""A longer phase gets more batches, once each holds this many updates."""
BATCHES_NEEDED = 8
"""Batches with samples that a phase must have; gaps may empty some."""
SAMPLES_PER_BATCH = 2
LEFT_OUT_BEFORE, LEFT_OUT_AFTER = 2, 1
"""Updates of the meter at the edges of an idle phase whose samples are not used: asked at any time, a display holds the
mean of an interval that began up to 1.5 updates before the sample's time and ends up to half of one after it."""
LAG1_MAX = 0.3
"""Above this lag-1 autocorrelation of the batch means the interval is flagged as too narrow."""
LAG1_CAP = 0.8
"""The estimate is noisy: it widens the interval as if it were no more than this."""
DIFFERENCE_U, DIFFERENCE_SHARE = 3.0, 0.01
"""Idle before and after may differ by three half widths, and by 1 % of the baseline, without a flag."""
_Z975 = 1.959963984540054


@dataclass(frozen=True)
class Baseline:
    """Idle power at the middle of the run.

    Attributes:
        mean_w: watts, on the line through the middles of the idle phases, so that a steady drift cancels.
        u_w: half width of its 95 % interval, watts.
        batches: number of batch means it rests on.
        lag1: lag-1 autocorrelation of the batch means; None where they do not vary.
        drift_w_per_s: slope of that line, watts per second; None with one idle phase.
        before_w: mean of "idle before", watts; None where it was not marked.
        after_w: mean of "idle after", watts; None where it was not marked.
        flags: what to doubt, one sentence each.
    """

    mean_w: float
    u_w: float
    batches: int
    lag1: float | None
    drift_w_per_s: float | None
    before_w: float | None
    after_w: float | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class _Batches:
    """Means of one idle phase: instants in seconds and watts, float64 of one shape (batches,)."""

    at_s: npt.NDArray[np.float64]
    mean_w: npt.NDArray[np.float64]


def t_quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's t.

    Expansion 26.7.5 of Abramowitz and Stegun, Handbook of Mathematical Functions; off by less than 0.001 from
    six degrees of freedom on.

    Args:
        freedom: degrees of freedom, need not be whole.

    Returns:
        The quantile; 1.96 for infinitely many degrees.
    """
    z = _Z975
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


def baseline(trace: Trace, phases: Sequence[Phase]) -> Baseline:
    """The idle power that the run stands on.

    The mean of each idle phase is interpolated to the middle of the run. Its interval comes from batch means
    (10 to 20 a phase) and Student's t with Welch's degrees of freedom, after the drift between the phases is taken
    out; sd / sqrt(n) of the samples would cover 35 % instead of 95 % at an autocorrelation of 0.9. Where
    neighbouring batch means still agree with each other (lag-1 autocorrelation r > 0) the variance is widened
    by (1 + r) / (1 - r), that of the mean of an AR(1) series.

    Args:
        trace: the samples.
        phases: at least one idle phase; without a run the baseline is that between the idle phases.

    Returns:
        The baseline.

    Raises:
        TraceError: no idle phase, or one outside the trace or with too few samples.
    """
    named = by_name(phases)
    idle = [phase for phase in named.values() if phase.name != "run"]
    if not idle:
        raise TraceError("no idle phase", "measure 30 s of idle power before the run and 30 s after it")
    parts = [_split(trace, phase) for phase in idle]
    means = [float(part.mean_w.mean()) for part in parts]
    middles = [float(part.at_s.mean()) for part in parts]
    shares, drift = [1.0], None
    if len(parts) > 1:
        drift = (means[1] - means[0]) / (middles[1] - middles[0])
        run = named.get("run")
        late = 0.5 if run is None else (run.middle_s - middles[0]) / (middles[1] - middles[0])
        shares = [1 - late, late]
    residuals = [_residual(part, drift or 0.0) for part in parts]
    lag1 = _lag1(residuals)
    mean_w = math.fsum(share * mean for share, mean in zip(shares, means, strict=True))
    u_w = _half_width(residuals, shares, lag1)
    of = {phase.name: mean for phase, mean in zip(idle, means, strict=True)}
    before_w, after_w = of.get("idle before"), of.get("idle after")
    return Baseline(
        mean_w=mean_w,
        u_w=u_w,
        batches=sum(len(part.mean_w) for part in parts),
        lag1=lag1,
        drift_w_per_s=drift,
        before_w=before_w,
        after_w=after_w,
        flags=_flags(mean_w, u_w, lag1, before_w, after_w),
    )


def _split(trace: Trace, phase: Phase) -> _Batches:
    """Batch means of an idle phase over equal stretches of time."""
    check_window(trace, phase.begin_s, phase.end_s)
    begin_s = phase.begin_s + LEFT_OUT_BEFORE * trace.meter.update_s
    end_s = phase.end_s - LEFT_OUT_AFTER * trace.meter.update_s
    inside = trace.good & (trace.at_s >= begin_s) & (trace.at_s < end_s)
    at_s, watts = trace.at_s[inside], trace.power_w[inside]
    if len(at_s) < SAMPLES_PER_BATCH * BATCHES_MIN:
        raise TraceError(
            f"phase {phase.name!r} holds {len(at_s)} good samples, a baseline needs {SAMPLES_PER_BATCH * BATCHES_MIN}",
            "30 s of idle power are the aim",
        )
    updates = int(phase.duration_s / trace.meter.update_s)
    count = min(max(updates // UPDATES_PER_BATCH, BATCHES_MIN), BATCHES_MAX)
    edges_s = np.linspace(begin_s, end_s, count + 1)
    batch = np.searchsorted(edges_s[1:-1], at_s, side="right")
    held = np.bincount(batch, minlength=count)
    filled = held > 0
    if int(filled.sum()) < BATCHES_NEEDED:
        raise TraceError(f"phase {phase.name!r} has good samples in {int(filled.sum())} of {count} parts only")
    # Sums are of differences from one sample, so that the spread of a steady load is not lost in its digits.
    sums_w = np.bincount(batch, weights=watts - watts[0], minlength=count)[filled]
    sums_s = np.bincount(batch, weights=at_s - phase.begin_s, minlength=count)[filled]
    return _Batches(phase.begin_s + sums_s / held[filled], watts[0] + sums_w / held[filled])


def _residual(part: _Batches, drift_w_per_s: float) -> npt.NDArray[np.float64]:
    level = part.mean_w - drift_w_per_s * (part.at_s - part.at_s.mean())
    return np.asarray(level - level.mean(), dtype=np.float64)


def _lag1(residuals: Sequence[npt.NDArray[np.float64]]) -> float | None:
    """Lag-1 autocorrelation over all phases; no product spans two phases."""
    square = math.fsum(float(part @ part) for part in residuals)
    if square == 0:
        return None
    return math.fsum(float(part[:-1] @ part[1:]) for part in residuals) / square


def _half_width(residuals: Sequence[npt.NDArray[np.float64]], shares: Sequence[float], lag1: float | None) -> float:
    """95 % half width of the weighted mean of the phases, watts."""
    correlation = min(max(lag1 or 0.0, 0.0), LAG1_CAP)
    widen = (1 + correlation) / (1 - correlation)
    variances = [
        share**2 * float(part @ part) / (len(part) - 1) / len(part)
        for part, share in zip(residuals, shares, strict=True)
    ]
    total = math.fsum(variances)
    if total == 0:
        return 0.0
    spent = math.fsum(variance**2 / (len(part) - 1) for variance, part in zip(variances, residuals, strict=True))
    return t_quantile(total**2 / spent) * math.sqrt(widen * total)


def _flags(
    mean_w: float, u_w: float, lag1: float | None, before_w: float | None, after_w: float | None
) -> tuple[str, ...]:
    flags = []
    if lag1 is not None and lag1 > LAG1_MAX:
        flags.append(f"batch means of the idle power are correlated ({lag1:.2f}): its interval may be too narrow")
    if before_w is None or after_w is None:
        missing = "idle before" if before_w is None else "idle after"
        flags.append(f"no usable phase {missing!r}: a drift of the idle power is not seen")
        return tuple(flags)
    difference_w = abs(before_w - after_w)
    if difference_w > DIFFERENCE_U * u_w:
        flags.append(f"idle power moved by {difference_w:.3g} W, more than 3 x its uncertainty of {u_w:.3g} W")
    if difference_w > DIFFERENCE_SHARE * abs(mean_w):
        flags.append(f"idle power moved by {difference_w:.3g} W, more than 1 % of {mean_w:.4g} W")
    return tuple(flags)
