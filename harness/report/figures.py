"""Which figures a report shows, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.metrics import ENERGY_FIGURES


@dataclass(frozen=True)
class Column:
    """One column of figures.

    Attributes:
        metric: its name in `harness.metrics`.
        uncertainty: the metric that is its uncertainty, "" where none is given.
        title: what stands above it on the page.
        unit: below the title.
        csv: its name in a CSV file, with the unit.
        u_csv: name of the uncertainty's column.
    """

    metric: str
    title: str
    unit: str
    csv: str
    uncertainty: str = ""
    u_csv: str = ""


COLUMNS = (
    Column("ips", "IPS", "1/s", "inferences_per_s"),
    Column("power_idle_w", "idle", "W", "idle_w"),
    Column("power_run_w", "run", "W", "run_w"),
    Column(
        "energy_total_j",
        "total",
        "J per inference",
        "total_j_per_inference",
        "energy_total_u_j",
        "u_total_j_per_inference",
    ),
    Column(
        "energy_static_j",
        "static",
        "J per inference",
        "static_j_per_inference",
        "energy_static_u_j",
        "u_static_j_per_inference",
    ),
    Column(
        "energy_dynamic_j",
        "dynamic",
        "J per inference",
        "dynamic_j_per_inference",
        "energy_dynamic_u_j",
        "u_dynamic_j_per_inference",
    ),
    Column("inferences_per_j", "inferences", "1/J", "inferences_per_j"),
    Column("edp_j_s", "EDP", "J s", "edp_j_s"),
    Column("energy_coverage", "coverage", "share", "coverage_share"),
)
"""In the order of the table."""


def figures_of(ips: float | None, energy: dict[str, Any] | None) -> dict[str, float]:
    """The figures that are known, by their name in `harness.metrics`.

    Args:
        ips: inferences per second.
        energy: document of an energy.
    """
    known = {} if energy is None else {metric: energy[name] for metric, name in ENERGY_FIGURES.items()}
    return {name: value for name, value in {"ips": ips, **known}.items() if value is not None}
