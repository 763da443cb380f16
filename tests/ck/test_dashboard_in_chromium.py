"""The scoreboard of request.asplos18 in a browser: no text of an entry runs; keyboard and phone suffice."""

from __future__ import annotations

import sys
from importlib import import_module, util
from pathlib import Path

import pytest
from hostile_texts import hostile_texts
from watched_page import page_opener, running_browser

NAME = "request_asplos18_scoreboard"
FOLDER = Path(__file__).resolve().parents[2] / "ck-programs/module/request.asplos18/scoreboard"
META, RUN = "##meta#", "##characteristics#run#"


@pytest.fixture(scope="module")
def page():
    """The page's module, without CK."""
    spec = util.spec_from_file_location(NAME, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)])
    sys.modules[NAME] = util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])
    yield import_module(f"{NAME}.page")
    for module in [module for module in sys.modules if module.startswith(NAME)]:
        del sys.modules[module]


@pytest.fixture(scope="module")
def browser():
    """One browser for the tests of this module."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser):
    """Opens a watched page."""
    with page_opener(browser) as opener:
        yield opener


def _row(text, throughput):
    figures = {
        f"{RUN}{name}#{ending}": value
        for name, value in (("inference_throughput", throughput), ("energy_total_j", 2.0))
        for ending in ("min", "mean", "max")
    }
    names = ("model_design_name", "farm", "cpu_name", "os_name", "plat_name", "library_name", "timestamp")
    return {
        "verdict": "VALID",
        "reasons": [text],
        "marks": [text],
        "software": text,
        "environment": text,
        "replay": text,
        **{META + name: text for name in names},
        **figures,
    }


def test_no_text_runs(page, open_page, tmp_path):
    """Hundreds of hostile texts in every field, filter and line: none runs and none asks a server."""
    texts = hostile_texts()
    assert len(texts) >= 200
    rows = [_row(text, 1.0 + number) for number, text in enumerate(texts)]
    path = tmp_path / "page.html"
    path.write_text(page.page(rows, texts, {}), encoding="utf-8")
    watched = open_page(path)
    assert watched.page.evaluate("window.taken") is None
    assert watched.page.locator("tbody tr").count() == len(texts)
    assert watched.requests == [path.as_uri()]
    assert (watched.errors, watched.messages) == ([], [])
    # The control: the same text outside of the page's escaping is seen.
    path.write_text(page.page([], [], {}) + "<img src=x onerror=window.taken=1>", encoding="utf-8")
    control = open_page(path)
    control.page.wait_for_function("window.taken === 1")


@pytest.mark.parametrize("width", [390, 1300])
def test_narrow_and_wide(page, open_page, tmp_path, width):
    """The page is no wider than the screen, a phone's included; the table alone scrolls sideways."""
    path = tmp_path / "page.html"
    path.write_text(page.page([_row("a system of some length", 5.0)] * 3, [], {}), encoding="utf-8")
    watched = open_page(path, viewport={"width": width, "height": 800})
    assert watched.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert watched.page.locator("svg circle").count() == 3


def test_by_keyboard(page, open_page, tmp_path):
    """Axes and filters are reached by Tab, and Enter on the button asks for the page with the choice in its query."""
    path = tmp_path / "page.html"
    path.write_text(page.page([_row("one", 5.0), _row("two", 6.0)], [], {}), encoding="utf-8")
    watched = open_page(path)
    watched.page.keyboard.press("Tab")
    assert watched.page.evaluate("document.activeElement.name") == "x"
    watched.page.locator("select[name=y]").select_option("energy_dynamic_j")
    watched.page.locator("button").focus()
    with watched.page.expect_navigation():
        watched.page.keyboard.press("Enter")
    assert "y=energy_dynamic_j" in watched.page.url
