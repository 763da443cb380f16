"""The pages of the scoreboard: rows in, HTML out, for a folder on disk and for a service alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.board.cells import Cell, cells_of, data_of, declared_facts, figure_lines
from harness.board.columns import COLUMNS, SHOWN
from harness.board.detail import Detail
from harness.board.look import Specification, inside_html
from harness.board.paper_figures import MOST_BARS, panels, paper_figures
from harness.board.record_figures import completed_figure, latency_figure, power_figure
from harness.board.row import USABLE, Row
from harness.board.words import plain
from harness.metrics import Better

ASSETS = ("board.css", "draw.js", "table.js", "pareto.js", "compare.js")
"""Files of ours that the pages ask for, in the folder `Site.assets`."""
PLOTLY = "plotly.min.js"
"""The plotting library, in the same folder."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'"
)
"""No page holds a script of its own or asks anybody but its service; plotly writes styles of its own into the page."""


@dataclass(frozen=True)
class Site:
    """Where the pages of one scoreboard lie; all links are relative.

    Attributes:
        title: of the scoreboard.
        program: name and version of what made it.
        generated_utc: ISO 8601; "" for a service, whose pages are always of now.
        index: link to the first page, from the root.
        figures: link to the paper's figures.
        record: link to the page of a record, with {id}.
        assets: folder of scripts and styles.
        exports: name and link of each form to take away.
    """

    title: str
    program: str
    generated_utc: str = ""
    index: str = "index.html"
    figures: str = "figures.html"
    record: str = "records/{id}.html"
    assets: str = "assets"
    exports: tuple[tuple[str, str], ...] = (
        ("CSV", "scoreboard.csv"),
        ("JSON", "scoreboard.json"),
        ("Markdown", "scoreboard.md"),
    )

    def record_of(self, row: Row) -> str:
        """Link to the page of a row, from the root."""
        return self.record.format(id=row.id)


@dataclass(frozen=True)
class Listing:
    """One page of a list that a service sorts and filters.

    Attributes:
        query: what the reader asked for: q, model, kind, mark, others, sort, order.
        page: number of this page, from 1.
        pages: how many there are.
        total: rows on all pages.
        models: names to choose from.
        frontier: address of the rows on the frontier of all pages, to which two axes are added; "" for one page.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    page: int = 1
    pages: int = 1
    total: int = 0
    models: tuple[str, ...] = ()
    frontier: str = ""

    def link(self, **changes: str | int) -> str:
        """The query of this list with some changes; "" removes a word. Another order begins at the first page."""
        words = {name: word for name, word in self.query.items() if name != "page"}
        words |= {} if "sort" in changes else {"page": str(self.page)}
        words |= {name: str(value) for name, value in changes.items()}
        return "?" + urlencode({name: word for name, word in words.items() if word not in ("", "None")})

    def turned(self, column: str) -> str:
        """Link that sorts by a column, the best first, and the other way round where it is sorted by it already."""
        descending = column in SHOWN and SHOWN[column].better is Better.HIGHER
        if self.query.get("sort") == column:
            descending = self.query.get("order") != "desc"
        return self.link(sort=column, order="desc" if descending else "asc")


def render_index(
    rows: Sequence[Row],
    site: Site,
    *,
    listing: Listing | None = None,
    show_all: bool = False,
    problems: Sequence[str] = (),
) -> str:
    """The table with its filters, the Pareto plot and the comparison.

    Args:
        rows: in the order of the table, 2,000 at most for one page.
        site: where the other pages are.
        listing: which part of a longer list this is; None for all rows, which the page then sorts itself.
        show_all: rows that are not VALID are shown from the start.
        problems: files that could not be read, one line each.

    Returns:
        HTML; everything that came from a record is escaped in it.
    """
    groups = [
        ("verified", "Verified runs", [row for row in rows if row.verdict == "VALID"]),
        ("published", "Published in 2018, not verified", [row for row in rows if row.verdict == "PUBLISHED"]),
        ("others", "Not valid: figures not to be used", [row for row in rows if row.verdict not in USABLE]),
    ]
    return _render(
        "index.html",
        site,
        here="index",
        groups=[(key, title, [(row, cells_of(row)) for row in members]) for key, title, members in groups],
        columns=COLUMNS,
        counts={key: len(members) for key, _, members in groups},
        models=listing.models if listing else sorted({row.model for row in rows}),
        listing=listing,
        show_all=show_all,
        problems=[plain(problem, 400) for problem in problems],
        data=_data(data_of(rows, site.record, listing.frontier if listing else "")),
    )


def render_record(row: Row, detail: Detail, site: Site) -> str:
    """The page of one row.

    Args:
        row: what the table shows of it.
        detail: its raw samples, checks and environment.
        site: where the other pages are; this one lies one folder below.
    """
    plots: list[Plot] = []
    if detail.frames is not None:
        of = f"{detail.frames.verified} verified of {detail.frames.sent} frames"
        thinned = ", thinned for the plot" if detail.frames.thinned else ""
        plots.append(
            Plot("latency", f"Latency of each frame: {of}{thinned}", latency_figure(detail.frames, row.figures))
        )
        curve = completed_figure(detail.frames, row.figures.get("ips") if row.verdict in USABLE else None)
        plots.append(Plot("completed", f"Completed frames over time: {of}", curve))
    if detail.power is not None:
        power = detail.power
        word = "Virtual power" if power.virtual else "Power"
        thinned = ", thinned for the plot" if power.thinned else ""
        caption = f"{word} over time, {power.meter}: {power.samples} samples, {power.without_value} without a value"
        plots.append(Plot("power", caption + thinned, power_figure(power), virtual=power.virtual))
    return _render(
        "record.html",
        site,
        here="record",
        root="../",
        row=row,
        usable=row.verdict in USABLE,
        cells=cells_of(row),
        detail=detail,
        plots=plots,
        lines=figure_lines(row),
        declared=declared_facts(row),
    )


def render_figures(rows: Sequence[Row], site: Site) -> str:
    """The paper's Figures 5 and 6 drawn again, with the records of ours beside the published bars."""
    figures = []
    for number, figure in enumerate(paper_figures(rows)):
        plots = [
            Plot(f"panel-{number}-{place}", title, drawing) for place, (title, drawing) in enumerate(panels(figure))
        ]
        figures.append((figure, plots, [(row, cells_of(row)) for row in figure.bars]))
    return _render("figures.html", site, here="figures", figures=figures, columns=COLUMNS, most=MOST_BARS)


@dataclass(frozen=True)
class Plot:
    """One drawing of a page.

    Attributes:
        id: of its element, safe.
        caption: in words.
        specification: for plotly.
        virtual: it shows made-up power.
    """

    id: str
    caption: str
    specification: Specification
    virtual: bool = False

    @property
    def data(self) -> Markup:
        """The drawing as JSON that may stand inside a page."""
        return _data(self.specification)


def asset(name: str) -> str:
    """Text of one of `ASSETS`."""
    return resources.files("harness.board").joinpath("templates", name).read_text(encoding="utf-8")


def plotly_script() -> str:
    """The plotting library itself; loads plotly."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415  64 MB that a service's pages do not need

    script: str = get_plotlyjs()
    return script


def _render(template: str, site: Site, *, root: str = "", **values: Any) -> str:
    return _environment().get_template(template).render(site=site, root=root, policy=POLICY, plotly=PLOTLY, **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("harness.board"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark_class"] = _mark_class
    return environment


def _mark_class(mark: str) -> str:
    """Class of a mark's badge: its first word, which is ours."""
    word = mark.replace(":", " ").split()[0] if mark.split() else ""
    return f"mark-{word}" if word in ("virtual", "emulated", "published", "quick") else "mark-other"


def _data(document: Any) -> Markup:
    """JSON in which no letter can end the element that holds it."""
    return Markup(inside_html(document))  # noqa: S704  <, > and & are escaped in it


__all__ = ["ASSETS", "PLOTLY", "POLICY", "Cell", "Listing", "Site", "render_figures", "render_index", "render_record"]
