"""Two systems or more, metric by metric: how many times, how sure, and where there is no difference (pure).

The ratio of two systems has the interval exp(d ± t·s): d is the difference of the logarithms of their figures, s the
root of the sum of their squared standard errors (`harness.records.spread`), and t the 97.5 % quantile of Student's t
with Welch's degrees of freedom. Systems run one after the other, so nothing is paired. An interval that holds 1 is "no
difference": more runs may find one, and it is no proof that there is none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import BadInputError
from harness.metrics import METRICS, Better, show
from harness.records import spread
from harness.records.contestants import Run, System
from harness.records.record import Status
from harness.records.spread import Spread
from power.baseline import t_quantile

SEED = 2018
"""Of the resampling: the same records give the same intervals."""
ENERGIES = {f"energy_{part}_j": f"energy_{part}_u_j" for part in ("total", "static", "dynamic")}
PERCENTILES = {f"latency_p{percent}_s": percent for percent in (50, 90, 95, 99)}
COMPARABLE = ("ips", "execution_time_classify", "latency_mean_s", *PERCENTILES, *ENERGIES)
"""Metrics that can be compared."""
DEFAULT = ("ips", "latency_p50_s", "energy_total_j")
"""Metrics that are compared unless others are asked for, as far as the records have them."""

_T975 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469)
"""97.5 % quantiles of Student's t for 1 to 6 degrees of freedom, where the expansion for more of them is not exact."""
_MOST_LOG, _MOST_FREEDOM = 600.0, 1e9  # what the functions below can take without an overflow
_SPEEDS = ("ips", "execution_time_classify")


@dataclass(frozen=True)
class Ratio:
    """How one figure compares with another.

    Attributes:
        value: figure over the reference's figure.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    value: float
    low: float
    high: float

    @property
    def different(self) -> bool:
        """False where the interval holds 1."""
        return not self.low <= 1.0 <= self.high

    @property
    def half_width(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    def inverse(self) -> Ratio:
        """The reference over the figure."""
        return Ratio(1 / self.value, 1 / self.high, 1 / self.low)


@dataclass(frozen=True)
class Cell:
    """One system in the table of one metric.

    Attributes:
        label: of the system.
        figure: its figure.
        ratio: to the reference; None for the reference itself.
        mark: "best" or "worst" where nothing else is as good or as bad, "" besides; several may share it that do not
            differ from each other.
        words: the ratio in words; "reference" for the reference.
    """

    label: str
    figure: Spread
    ratio: Ratio | None
    mark: str
    words: str


@dataclass(frozen=True)
class Table:
    """One metric of all systems, in their order.

    Attributes:
        metric: id in `harness.metrics`.
        cells: one for each system.
    """

    metric: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Compared:
    """What `compare` found.

    Attributes:
        reference: label of the system that the others are held against.
        tables: one for each metric.
        warnings: what to know before believing any of it, one sentence each.
    """

    reference: str
    tables: tuple[Table, ...]
    warnings: tuple[str, ...]


def ratio_of(figure: Spread, reference: Spread) -> Ratio:
    """Compare two figures of one metric."""
    variances = (figure.log_se**2, reference.log_se**2)
    total = math.fsum(variances)
    spent = math.fsum(variance**2 / one.freedom for variance, one in zip(variances, (figure, reference), strict=True))
    half = _quantile(total**2 / spent if spent > 0 else math.inf) * math.sqrt(total)
    # Within what exp can take: a forged record may hold any time.
    middle = min(max(math.log(figure.value) - math.log(reference.value), -_MOST_LOG), _MOST_LOG)
    return Ratio(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def compare(
    systems: Sequence[System],
    *,
    reference: int = 0,
    metrics: Sequence[str] = (),
    every: bool = False,
) -> Compared:
    """Compare systems with one of them.

    Args:
        systems: two or more.
        reference: index of the one that the others are held against.
        metrics: of `COMPARABLE`; empty for those of `DEFAULT` that every system has.
        every: also take runs that are not VALID, and say so.

    Raises:
        BadInputError: fewer than two systems, an unknown metric, a run that is not VALID, or a metric was asked for
            that not every system has or that may not be compared.
    """
    if len(systems) < 2:  # noqa: PLR2004  a comparison
        raise BadInputError("a comparison needs two systems", "name two records, or two folders of repetitions")
    unknown = [metric for metric in metrics if metric not in COMPARABLE]
    if unknown:
        raise BadInputError(f"{unknown[0]} cannot be compared", f"one of {', '.join(COMPARABLE)}")
    warnings = [*_require_valid(systems, every=every), *_differences(systems)]
    tables = []
    for metric in dict.fromkeys(metrics or DEFAULT):
        figures, refusal = _figures(systems, metric)
        if not refusal:
            tables.append(_table(systems, figures, reference, metric))
        elif metrics:
            raise BadInputError(refusal, "compare another metric")
        else:
            warnings.append(f"{METRICS[metric].label} is not compared: {refusal}")
    if not tables:
        raise BadInputError("there is nothing that could be compared: " + "; ".join(warnings[-len(DEFAULT) :]))
    virtual = [run for system in systems for run in system.runs if run.virtual]
    if virtual and any(table.metric in ENERGIES for table in tables):
        warnings.append("every energy here is virtual: that of a load model, not a measurement")
    return Compared(systems[reference].label, tuple(tables), tuple(dict.fromkeys(warnings)))


def figure_of(system: System, metric: str) -> Spread | None:
    """The figure of a system, with how well it is known; None where a run has none."""
    runs = [_figure(run, metric, SEED + at) for at, run in enumerate(system.runs)]
    present = [run for run in runs if run is not None]
    if len(present) < len(runs) or not all(run.usable for run in present):
        return None
    figure = spread.over_runs(present, common=metric in ENERGIES)
    return figure if figure.usable else None


def _figure(run: Run, metric: str, seed: int) -> Spread | None:
    if metric in ENERGIES:
        value, u = run.figures.get(metric), run.figures.get(ENERGIES[metric])
        return None if value is None or u is None else spread.stated(value, u)
    if metric in PERCENTILES:
        return spread.percentile(run.latencies_s, PERCENTILES[metric], seed)
    if metric == "latency_mean_s":
        return spread.mean(run.latencies_s, seed)
    found = spread.speed(run.completions_s, seed)
    if found is None or metric == "ips":
        return found
    return Spread(1 / found.value, found.log_se, found.freedom, found.basis)


def _table(systems: Sequence[System], figures: Sequence[Spread], reference: int, metric: str) -> Table:
    best, worst = (pick(figures, key=lambda one: one.value) for pick in (max, min))
    if METRICS[metric].better is Better.LOWER:
        best, worst = worst, best
    cells = []
    for at, (system, figure) in enumerate(zip(systems, figures, strict=True)):
        ratio = None if at == reference else ratio_of(figure, figures[reference])
        mark = _mark(figure, best, worst) if len(systems) > 2 else ""  # noqa: PLR2004  of two the words say it
        cells.append(Cell(system.label, figure, ratio, mark, in_words(metric, ratio) if ratio else "reference"))
    return Table(metric, tuple(cells))


def in_words(metric: str, ratio: Ratio) -> str:
    """A ratio in words: `1.23 ± 0.07 times faster`, or that there is no difference."""
    if not ratio.different:
        return f"no difference (ratio {ratio.low:.3g} to {ratio.high:.3g})"
    good, bad = (
        ("faster", "slower") if metric in _SPEEDS else ("less", "more") if metric in ENERGIES else ("sooner", "later")
    )
    better = (ratio.value > 1) == (METRICS[metric].better is Better.HIGHER)
    shown = ratio if ratio.value > 1 else ratio.inverse()
    digits = min(6, max(0, 1 - math.floor(math.log10(shown.half_width)))) if shown.half_width > 0 else 6
    return f"{shown.value:.{digits}f} ± {shown.half_width:.{digits}f} times {good if better else bad}"


def _mark(figure: Spread, best: Spread, worst: Spread) -> str:
    if not ratio_of(worst, best).different:
        return ""
    for name, end in (("best", best), ("worst", worst)):
        if figure is end or not ratio_of(figure, end).different:
            return name
    return ""


def _require_valid(systems: Sequence[System], *, every: bool) -> list[str]:
    found = []
    for system in systems:
        if system.status != Status.VALID:
            why = f": {system.reasons[0]}" if system.reasons else ""
            if not every:
                raise BadInputError(
                    f"{system.label} is {system.status}{why}", "--all compares it all the same, and says so"
                )
            found.append(f"{system.label} is {system.status}, its figures must not be used{why}")
    return found


def _figures(systems: Sequence[System], metric: str) -> tuple[list[Spread], str]:
    """The figure of each system, or why they cannot be compared."""
    if metric in ENERGIES:
        kinds = {run.virtual for system in systems for run in system.runs if run.virtual is not None}
        if len(kinds) > 1:
            return [], "measured energy and virtual energy are never compared"
    found = []
    for system in systems:
        figure = figure_of(system, metric)
        if figure is None:
            return [], _why_none(system, metric)
        found.append(figure)
    return found, ""


def _why_none(system: System, metric: str) -> str:
    label = METRICS[metric].label.strip()
    if metric in ENERGIES:
        refused = next((f": {reason}" for run in system.runs for reason in run.refused), "")
        return f"{system.label} has no {label} with its uncertainty{refused}"
    frames = min(len(run.completions_s) for run in system.runs)
    return f"the {frames} verified frames of {system.label} are too few, or too uneven, for an interval of its {label}"


def _differences(systems: Sequence[System]) -> list[str]:
    """What makes a ratio say something else than it seems to."""
    runs = [run for system in systems for run in system.runs]
    found = []
    models = sorted({run.model[0] for run in runs})
    if len(models) > 1:
        found.append(f"different networks ({', '.join(models)}): a ratio says nothing about the systems")
    elif len({run.model[1] for run in runs}) > 1:
        found.append("the weights or the graph differ: the systems did not compute the same function")
    emulated = {run.system[4] for run in runs}
    if len(emulated) > 1:
        found.append("emulated and real devices, or two emulated kinds, are compared: the ratio is that of a model")
    wires = {run.system[5] for run in runs}
    if len(wires) > 1:
        found.append("their wires round differently: the systems did not compute the same function")
    if len({run.system[6] for run in runs}) > 1:
        found.append("they computed with different runtimes or precisions: part of the ratio is theirs")
    alone = [system.label for system in systems if len(system.runs) == 1]
    if alone:
        found.append(
            f"{'one run each' if len(alone) == len(systems) else f'one run of {alone[0]}'}: what changes from run to "
            "run is not in the intervals (a folder of repetitions has it)"
        )
    return found


def _quantile(freedom: float) -> float:
    if freedom >= len(_T975):
        return t_quantile(min(freedom, _MOST_FREEDOM))
    places = [1 / whole for whole in range(len(_T975), 0, -1)]
    return math.exp(float(np.interp(1 / freedom, places, np.log(_T975[::-1]))))


def with_half_width(metric: str, figure: Spread) -> str:
    """A figure with the half-width of its own 95 % interval, both in the metric's unit."""
    half = figure.value * _quantile(figure.freedom) * figure.log_se
    return f"{show(metric, figure.value)} ± {show(metric, half)}"
