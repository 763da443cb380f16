"""The report as one HTML page that needs nothing from outside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.metrics import METRICS, written
from harness.report.bars import ModelBars, factors
from harness.report.figures import COLUMNS
from harness.report.interactive import bars_figure, plotly_script, script_hash, trace_figure
from harness.report.systems import VIRTUAL, State, System
from harness.report.tables import Heading, power_word, speed_word
from harness.report.trace_series import TraceSeries

_BUDGETS = (("total", "total_budget"), ("static", "static_budget"), ("dynamic", "budget"))
_PARTS = ("reading", "range", "baseline", "edges", "gaps")
_LEAST_REM, _BAR_REM = 50, 9
"""Width of the three panels, and of what each system takes in them."""
_SHOWN_METRICS = tuple(name for column in COLUMNS for name in (column.metric, column.uncertainty) if name)


@dataclass(frozen=True)
class Plot:
    """One figure of the page, drawn twice: to be pointed at, and to be printed.

    Attributes:
        file: name of its SVG file.
        svg: that file.
        title: caption.
        alt: the figure in words.
        specification: JSON for plotly.
        virtual: it shows made-up power.
        least_rem: the narrowest it can be read at, in letters' heights; a narrower window scrolls.
    """

    file: str
    svg: bytes
    title: str
    alt: str
    specification: str
    virtual: bool
    least_rem: int = 0

    @property
    def data_uri(self) -> str:
        """The SVG file within an address; a browser runs no script in an image."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


def bars_plot(bars: ModelBars, file: str, svg: bytes) -> Plot:
    """The bars of one model as a figure of the page."""
    factor = f", error bars at {bars.k}" if bars.k else ""
    rest = f"; {bars.left_out} runs without energy stand in the table only" if bars.left_out else ""
    title = f"{bars.model}: inferences per second, dynamic and static energy, total energy{factor}{rest}"
    least = max(_LEAST_REM, _BAR_REM * len(bars.systems))
    return Plot(file, svg, title, bars.summary, bars_figure(bars), bars.virtual, least)


def trace_plot(series: TraceSeries, label: str, file: str, svg: bytes) -> Plot:
    """The trace of one run as a figure of the page."""
    thinned = f", thinned from {series.samples} samples" if series.thinned else ""
    around = " (a double click shows what was recorded before and after)" if series.trimmed else ""
    return Plot(
        file, svg, f"Power over time: {label}{thinned}{around}", series.summary, trace_figure(series), series.virtual
    )


def render(
    heading: Heading,
    systems: Sequence[System],
    models: Sequence[Plot],
    traces: Mapping[int, Plot],
) -> str:
    """The page.

    Args:
        heading: title and provenance.
        systems: in the order of the paper.
        models: the bars of each model.
        traces: the trace of each system that has one, by its place in `systems`.

    Returns:
        HTML; everything that people or instruments wrote is escaped in it.
    """
    environment = Environment(
        loader=PackageLoader("harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["written"] = written
    plotly, start = plotly_script(), _file("start.js")
    return environment.get_template("energy.html").render(
        heading=heading,
        style=_file("energy.css"),
        plotly=plotly,
        start=start,
        policy=_policy(plotly, start),
        virtual=VIRTUAL if any(system.virtual for system in systems) else "",
        k=factors(systems),
        columns=COLUMNS,
        budgets=_BUDGETS,
        parts=_PARTS,
        metrics=[METRICS[name] for name in _SHOWN_METRICS],
        models=models,
        systems=[_row(place, system, traces.get(place)) for place, system in enumerate(systems, start=1)],
        without=[system for system in systems if system.state is State.NONE],
        trusted=Markup,
    )


def _row(place: int, system: System, plot: Plot | None) -> dict[str, Any]:
    """What the template shows of one system."""
    return {
        "place": place,
        "system": system,
        "energy": system.energy,
        "figures": system.figures,
        "doubtful": system.state is not State.VALID,
        "doubtful_speed": bool(system.speed_reasons),
        "refused": system.refused,
        "power": power_word(system),
        "speed": speed_word(system),
        "plot": plot,
    }


def _policy(*scripts: str) -> str:
    """A content security policy: two scripts that are known, images within the page, and no request at all."""
    hashes = " ".join(script_hash(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _file(name: str) -> str:
    return resources.files("harness.report").joinpath("templates", name).read_text(encoding="utf-8")
