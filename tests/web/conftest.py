"""The browser and the scoreboard that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from board_records import collection
from playwright.sync_api import Browser
from scoreboard_pages import DESK, Opener, drawn
from watched_page import OpenPage, Watched, page_opener, running_browser

from harness.board.build import Board, write_board
from harness.board.sources import Collection


# Not for the whole session: while it runs, no other test of the process could start an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a module."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens a watched page; options are those of a browser context, such as `offline`."""
    with page_opener(browser) as opener:
        yield opener


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Ten runs beside the published figures."""
    return collection(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def board(held: Collection, tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Their scoreboard."""
    return write_board(held, tmp_path_factory.mktemp("board"))


@pytest.fixture
def opened(board: Board, open_page: OpenPage) -> Opener:
    """Opens a page of the scoreboard, offline, and waits until its plots stand."""

    def opener(name: str = "index.html", words: str = "", **options: Any) -> Watched:
        watched = open_page(None, **({"offline": True, "viewport": DESK} | options))
        watched.page.goto((board.folder / name).as_uri() + words)
        if options.get("java_script_enabled", True):
            drawn(watched.page)
        return watched

    return opener
