"""A scoreboard's pages in a browser: what its tests ask of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from playwright.sync_api import Page
from watched_page import Watched

from harness.board.build import Board
from harness.board.columns import AXES
from harness.board.pareto import frontier
from harness.board.row import USABLE, Row

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
Opener = Callable[..., Watched]
FRONTIERS = """() => document.getElementById('pareto-plot').data.filter(one => one.name.startsWith('frontier: '))
    .map(one => [one.name.slice(10), one.x, one.y])"""


def drawn(page: Page) -> None:
    """Wait until all plots of a page stand; its policy lets nobody poll with a script."""
    # The browser itself looks at every frame; to ask it for a count again and again costs half a second a page.
    page.locator(".drawing:not([data-drawn])").first.wait_for(state="detached", timeout=120_000)


def systems(page: Page, group: str = "verified") -> list[str]:
    """Ids of the rows that are seen in a group, from the top."""
    return page.locator(f"tbody.group-{group} tr.row:visible").evaluate_all("all => all.map(one => one.dataset.id)")


def rows_of(board: Board, verdict: str) -> list[Row]:
    """Rows of a verdict, in the order of the table."""
    return [row for row in board.rows if row.verdict == verdict]


def expected_frontiers(rows: Iterable[Row], x: str, y: str) -> dict[str, set[tuple[float, float]]]:
    """What the plot should draw, by the program that serves a million rows."""
    better = {axis.id: axis.metric.better for axis in AXES}
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.verdict in USABLE and row.value(x) is not None and row.value(y) is not None:
            groups.setdefault(f"{row.model}, {row.basis((x, y))}", []).append(row)
    found = {}
    for name, members in groups.items():
        points = [(float(row.value(x) or 0), float(row.value(y) or 0)) for row in members]
        kept = frontier([one for one, _ in points], [two for _, two in points], better[x], better[y])
        found[name] = {point for point, on in zip(points, kept, strict=True) if on}
    return found
