"""A scoreboard's pages in a browser: what its tests ask of them."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect
from watched_page import Watched

from harness.board.build import Board
from harness.board.row import Row

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
Opener = Callable[..., Watched]


def drawn(page: Page) -> None:
    """Wait until all plots of a page stand; its policy lets nobody poll with a script."""
    expect(page.locator(".drawing:not([data-drawn])")).to_have_count(0, timeout=120_000)


def systems(page: Page, group: str = "verified") -> list[str]:
    """Ids of the rows that are seen in a group, from the top."""
    return page.locator(f"tbody.group-{group} tr.row:visible").evaluate_all("all => all.map(one => one.dataset.id)")


def rows_of(board: Board, verdict: str) -> list[Row]:
    """Rows of a verdict, in the order of the table."""
    return [row for row in board.rows if row.verdict == verdict]
