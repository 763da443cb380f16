"""The scoreboard as a service shows it, in a browser: pages of a long list, and the frontier of all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from board.rows import key_of, row
from board.serving import Service, served
from playwright.sync_api import Page, expect
from scoreboard_pages import DESK, FRONTIERS, drawn, expected_frontiers, systems
from watched_page import OpenPage, Watched

from harness.board.row import USABLE, Row
from harness.board.service.store import Store

COUNT, PAGE = 170, 50
AXES = "#x=ips&y=latency_p90_s"


def _rows() -> list[Row]:
    chance = random.Random(5)
    rows = [
        row(
            key_of(number),
            model=chance.choice(["alexnet", "vgg16"]),
            started_utc=f"2026-11-{1 + number % 28:02}T06:00:00.000+00:00",
            figures={"ips": chance.uniform(1, 100), "latency_p90_s": chance.uniform(0.01, 1)},
        )
        for number in range(COUNT)
    ]
    best = {"ips": 1000.0, "latency_p90_s": 0.001}
    return [*rows, row(key_of(COUNT), verdict="INVALID", reasons=("results differ",), figures=best)]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """More than three pages of verified runs, and a wrong one that would beat them all."""
    return _rows()


@pytest.fixture(scope="module")
def service(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that finds them in its journal."""
    data = tmp_path_factory.mktemp("service") / "data"
    store = Store(data)
    for one in rows:
        event = {"event": "stored", "id": one.id, "entry": "made", "files": {}, "by": "alice", "utc": one.started_utc}
        store.append({**event, "row": one.to_document(), "findings": []})
    with served(data, "--no-published") as service:
        yield service


def _opened(service: Service, open_page: OpenPage, words: str) -> Watched:
    watched = open_page(None, viewport=DESK)
    watched.page.goto(service.url + words)
    _settled(watched.page)
    return watched


def _settled(page: Page) -> None:
    """Its plots stand, and what it asked the service for has come."""
    drawn(page)
    expect(page.locator("#pareto-plot[data-asking]")).to_have_count(0)


def _frontiers(page: Page) -> dict[str, set[tuple[float, float]]]:
    return {name: set(zip(xs, ys, strict=True)) for name, xs, ys in page.evaluate(FRONTIERS)}


def test_every_page_draws_the_frontier_of_all_pages(service: Service, rows: list[Row], open_page: OpenPage) -> None:
    """Proves that the line is that of the whole list on any page, and that a page's own rows would not give it."""
    watched = _opened(service, open_page, AXES)
    page, seen = watched.page, []
    expected = expected_frontiers(rows, "ips", "latency_p90_s")
    for number in range(1, 5):
        mine = systems(page)
        seen += mine
        assert _frontiers(page) == expected
        assert _frontiers(page) != expected_frontiers([one for one in rows if one.id in mine], "ips", "latency_p90_s")
        assert "of them from other pages" in page.locator("#pareto-words").inner_text()
        if number < 4:
            page.get_by_role("link", name="later").click()
            page.wait_for_url(f"**page={number + 1}**")
            page.goto(page.url + AXES)
            page.reload()
            _settled(page)
    assert sorted(seen) == sorted(one.id for one in rows if one.verdict in USABLE)
    assert all(url.startswith((service.url, "data:")) for url in watched.requests)
    assert (watched.messages, watched.errors) == ([], [])


def test_the_frontier_follows_filter_and_axes(service: Service, rows: list[Row], open_page: OpenPage) -> None:
    """Proves that the rows of other pages are those of the same filter, for the chosen axes, never wrong ones."""
    page = _opened(service, open_page, f"?model=vgg16&others=1{AXES}").page
    chosen = [one for one in rows if one.model == "vgg16"]
    assert _frontiers(page) == expected_frontiers(chosen, "ips", "latency_p90_s")
    page.locator("#axis-x").select_option("latency_p90_s")
    page.locator("#axis-y").select_option("ips")
    _settled(page)
    assert _frontiers(page) == expected_frontiers(chosen, "latency_p90_s", "ips")


def test_a_silent_service_is_named(service: Service, rows: list[Row], open_page: OpenPage) -> None:
    """Proves that a page whose service does not answer draws what it has, and says that this is not the whole."""
    watched = open_page(None, viewport=DESK)
    page = watched.page
    page.route("**/frontier.json*", lambda route: route.abort())
    page.goto(f"{service.url}{AXES}")
    _settled(page)
    assert "The other pages could not be asked" in page.locator("#pareto-words").inner_text()
    mine = [one for one in rows if one.id in systems(page)]
    assert _frontiers(page) == expected_frontiers(mine, "ips", "latency_p90_s")


def test_a_short_list_asks_for_nothing(service: Service, rows: list[Row], open_page: OpenPage) -> None:
    """Proves that a list of one page is drawn from the page alone."""
    watched = _opened(service, open_page, f"?q={rows[7].id}{AXES}")
    assert systems(watched.page) == [rows[7].id]
    assert not [url for url in watched.requests if "frontier.json" in url]
