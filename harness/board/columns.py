"""The columns of the scoreboard, and the metrics that a reader may plot against each other."""

from __future__ import annotations

from dataclasses import dataclass

from harness.board.words import MISSING
from harness.metrics import METRICS, Better, Metric, written

ACCURACY = Metric(
    "accuracy", "accuracy", "", Better.HIGHER, lambda value: f"{value:.1%}", "share of right answers on a data set"
)
PRICE = Metric(
    "price_usd", "price", "USD", Better.LOWER, lambda value: f"{value:,.0f} $", "declared price of all devices"
)
PEAK_POWER = Metric(
    "peak_power_w",
    "peak power",
    "W",
    Better.LOWER,
    lambda value: f"{value:.4g} W",
    "declared peak power of all devices",
)
DECLARED = {metric.id: metric for metric in (PRICE, PEAK_POWER)}
"""What somebody typed in, with a source beside it; never measured."""
SHOWN = {**METRICS, **DECLARED, ACCURACY.id: ACCURACY}
"""Every metric that a row may have, by its id."""


@dataclass(frozen=True)
class Column:
    """One column of figures.

    Attributes:
        id: the metric.
        title: what stands above it.
        group: "speed", "energy" or "price": neighbours in the table.
        uncertainty: the metric that is its uncertainty at k=2; "" where none is given.
        missing: what stands in a cell without a figure.
    """

    id: str
    title: str
    group: str
    uncertainty: str = ""
    missing: str = MISSING

    @property
    def metric(self) -> Metric:
        """What `harness.metrics` or the declarations say about it."""
        return SHOWN[self.id]


COLUMNS = (
    Column("ips", "IPS", "speed"),
    Column("latency_p50_s", "latency p50", "speed"),
    Column("latency_p90_s", "latency p90", "speed"),
    Column("latency_p99_s", "latency p99", "speed"),
    Column("energy_static_j", "static energy", "energy", "energy_static_u_j"),
    Column("energy_dynamic_j", "dynamic energy", "energy", "energy_dynamic_u_j"),
    Column("energy_total_j", "total energy", "energy", "energy_total_u_j"),
    Column(ACCURACY.id, "accuracy", "speed", missing="unknown"),
    Column(PRICE.id, "price", "price"),
    Column(PEAK_POWER.id, "peak power", "price"),
    Column("frames_verified", "frames checked", "speed"),
)
"""In the order of the table."""

AXES = (
    Column("ips", "inferences per second", "speed"),
    Column("latency_p50_s", "latency p50", "speed"),
    Column("latency_p90_s", "latency p90", "speed"),
    Column("latency_p99_s", "latency p99", "speed"),
    Column("energy_total_j", "total energy per inference", "energy", "energy_total_u_j"),
    Column("energy_dynamic_j", "dynamic energy per inference", "energy", "energy_dynamic_u_j"),
    Column("energy_static_j", "static energy per inference", "energy", "energy_static_u_j"),
    Column(PRICE.id, "price", "price"),
    Column(PEAK_POWER.id, "peak power", "price"),
    Column(ACCURACY.id, "accuracy", "speed"),
)
"""What the plots offer; each has a better direction."""
DEFAULT_AXES = ("ips", "energy_total_j")


def is_energy(metric_id: str) -> bool:
    """Whether a figure hangs on a power meter, real or virtual."""
    return metric_id.startswith("energy_") or metric_id in ("inferences_per_j", "edp_j_s")


def figure_text(column: Column, value: float, u: float | None = None) -> str:
    """A figure of a column as people read it, without its uncertainty."""
    if column.group == "energy":
        return f"{written(value, u)} J"
    return column.metric.show(value)
