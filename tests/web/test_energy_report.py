"""The energy report as its reader meets it: in a browser, offline, with every number that energy.json holds."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from energy_records import METER, file_record, paper_like
from watched_page import OpenPage

from harness.report.energy_report import Report, make_report
from harness.report.systems import VIRTUAL

HOSTILE = '<b>bold</b></script><script>window.taken=1</script><img src=x onerror="window.taken=1">'
CELLS = """() => [...document.querySelectorAll('tr[data-record]')].flatMap(row =>
    [...row.querySelectorAll('[data-metric]')].map(cell =>
        [row.dataset.record, cell.dataset.metric, cell.dataset.value, cell.textContent]))"""
PLOTS = """() => [...document.querySelectorAll('div.interactive')].map(place => ({
    kind: place.closest('figure').className.split(' ')[0],
    svgs: place.querySelectorAll('svg.main-svg').length,
    bars: [...place.querySelectorAll('.bars .point path')].filter(bar => bar.getBBox().height > 0).length,
    errors: place.querySelectorAll('.errorbar path').length,
    lines: [...place.querySelectorAll('.scatterlayer path.js-line')].map(line => line.getAttribute('d').length),
    shapes: place.querySelectorAll('.shapelayer path').length,
    points: place.querySelectorAll('.scatterlayer .points path.point').length,
    text: [...place.querySelectorAll('text')].map(text => text.textContent).join('|'),
}))"""


@dataclass
class Server:
    """Somebody who could be asked, on this machine."""

    address: str
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that writes down who asks."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    known = Server(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield known
    listener.shutdown()
    thread.join()
    listener.server_close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Six systems: measured and virtual, one INVALID, one without energy."""
    return make_report([paper_like(tmp_path_factory.mktemp("records"))])


def test_nothing_but_the_file_is_asked_for(report: Report, open_page: OpenPage) -> None:
    """Proves that the page draws everything offline, with one request (itself) and not one word on the console."""
    watched = open_page(report.page, offline=True)
    assert [url for url in watched.requests if not url.startswith("data:")] == [report.page.as_uri()]
    assert (watched.messages, watched.errors) == ([], [])


def test_a_page_that_asks_is_caught(server: Server, tmp_path: Path, open_page: OpenPage) -> None:
    """Proves that the watch works: an image, a script and a fetch of a page without a policy are all seen."""
    page = tmp_path / "asks.html"
    page.write_text(
        f"<!DOCTYPE html><img src={server.address}/image><script src={server.address}/script></script>"
        f"<script>fetch('{server.address}/fetch', {{mode: 'no-cors'}}).finally(() => document.title = 'done')</script>"
    )
    watched = open_page(page)
    watched.page.wait_for_function("document.title === 'done'")
    watched.page.wait_for_load_state("networkidle")
    for what in ("image", "script", "fetch"):
        assert f"{server.address}/{what}" in watched.requests
        assert f"/{what}" in server.asked


def test_the_page_forbids_requests_to_whatever_gets_into_it(
    report: Report, server: Server, tmp_path: Path, open_page: OpenPage
) -> None:
    """Proves that the policy holds: markup that is smuggled in fetches nothing and runs no script."""
    smuggled = (
        f"<img src={server.address}/image><link rel=stylesheet href={server.address}/style>"
        f"<script>window.taken = 1</script><iframe src={server.address}/frame></iframe></main>"
    )
    page = tmp_path / "smuggled.html"
    page.write_text(report.page.read_text().replace("</main>", smuggled))
    watched = open_page(page)
    assert server.asked == []
    assert watched.page.evaluate("window.taken") is None
    assert sum("Content Security Policy" in message for message in watched.messages) >= 4


def test_every_number_on_the_page_is_that_of_the_document(report: Report, open_page: OpenPage) -> None:
    """Proves that the table shows each figure of energy.json, none more, and text that is it rounded."""
    document = json.loads((report.folder / "energy.json").read_text())
    cells = open_page(report.page).page.evaluate(CELLS)
    shown = {(record, metric): float(value) for record, metric, value, _ in cells}
    known = {(one["record"], metric): value for one in document["systems"] for metric, value in one["figures"].items()}
    assert len(cells) == len(shown) == len(known) == 5 * 12 + 1
    assert shown == known
    changed = known | {next(iter(known)): next(iter(known.values())) * (1 + 1e-15)}
    assert shown != changed, "a digit more or less is seen"
    for record, metric, value, text in cells:
        assert float(text) == pytest.approx(float(value), rel=0.06), (record, metric)


def test_every_plot_is_there(report: Report, open_page: OpenPage) -> None:
    """Proves that each model has its three panels and each trace its parts; what is not valid has no bar."""
    plots = open_page(report.page).page.evaluate(PLOTS)
    kinds = [plot["kind"] for plot in plots]
    assert (kinds.count("bars"), kinds.count("trace")) == (2, 5)
    assert all(plot["svgs"] >= 2 for plot in plots)
    alexnet, vgg16 = (plot for plot in plots if plot["kind"] == "bars")
    # Speeds of four systems; dynamic, static and total of the three that are valid.
    assert (alexnet["bars"], vgg16["bars"]) == (4 + 3 * 3, 2 + 3)
    assert alexnet["text"].count("INVALID") == 2
    assert alexnet["text"].count("virtual") == 2
    assert vgg16["text"].count("no energy measured") == 2
    assert "virtual" not in vgg16["text"]
    assert alexnet["errors"] >= 3 * 3
    for plot in plots:
        if plot["kind"] == "trace":
            assert max(plot["lines"]) > 1000, "a power line of many samples"
            assert plot["shapes"] >= 3 + 6, "three phases and their edges"
            assert all(name in plot["text"] for name in ("idle before", "run", "idle after", "idle power", "95 % band"))
    traces = [plot for plot in plots if plot["kind"] == "trace"]
    assert [plot["points"] for plot in traces] == [0, 0, 70, 0, 10], "a tick for each sample without a value"
    assert ["gap" in plot["text"].split("|") for plot in traces] == [False, False, True, False, True]


def test_what_is_virtual_says_so_in_plain_sight(report: Report, tmp_path: Path, open_page: OpenPage) -> None:
    """Proves that banner, rows and plots carry the word, and that a measured comparison has none of them."""
    page = open_page(report.page).page
    assert page.locator("#virtual").is_visible()
    assert VIRTUAL in page.locator("#virtual").inner_text()
    rows = page.locator("tr[data-record] th").all_inner_texts()
    assert ["virtual" in row for row in rows] == [False, False, True, True, False, False]
    captions = page.locator("figure figcaption").all_inner_texts()
    assert [text.startswith("virtual") for text in captions] == [True, False, False, False, True, True, False]
    file_record(tmp_path)
    measured = open_page(make_report([tmp_path]).page).page
    assert measured.locator("#virtual").count() == 0
    assert "virtual" not in measured.locator("main").inner_text()


def test_names_from_elsewhere_stay_names(tmp_path: Path, open_page: OpenPage) -> None:
    """Proves that a target and an instrument called like scripts run nothing and are shown letter by letter."""
    file_record(tmp_path, target=HOSTILE, meter=replace(METER, identity=HOSTILE))
    watched = open_page(make_report([tmp_path], title=HOSTILE).page)
    assert watched.page.evaluate("window.taken") is None
    assert (watched.messages, watched.errors) == ([], [])
    assert watched.page.title() == HOSTILE
    assert HOSTILE in watched.page.locator("h3").last.inner_text()
    assert HOSTILE in watched.page.locator("dd code").first.inner_text()
    assert watched.page.locator("b").count() == 0
    assert HOSTILE[:17] in watched.page.evaluate(PLOTS)[0]["text"], "in the plot, too"


@pytest.mark.parametrize("way", ["printed", "without scripts"])
def test_paper_figures_take_over(report: Report, open_page: OpenPage, way: str) -> None:
    """Proves that on paper and without scripts each figure is there as a picture, and only once."""
    watched = open_page(java_script_enabled=way == "printed")
    if way == "printed":
        watched.open(report.page)
        assert watched.page.locator("figure img:visible").count() == 0, "on a screen the other form stands"
        watched.page.emulate_media(media="print")
    else:
        watched.page.goto(report.page.as_uri())
    pictures = watched.page.locator("figure img:visible")
    assert pictures.count() == 7
    assert watched.page.locator("div.interactive:visible").count() == 0
    for picture in pictures.all():
        box = picture.bounding_box()
        assert box is not None
        assert box["height"] > 100
        assert len(picture.get_attribute("alt") or "") > 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_page(report: Report, open_page: OpenPage, scheme: str) -> None:
    """Proves a contrast of at least 4.5 (WCAG 2 AA) for text, verdicts and labels of plots, by day and by night."""
    page = open_page(report.page, color_scheme=scheme).page
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for place in ("main p", "caption", ".VALID", ".INVALID", "th .virtual", ".doubtful", "dd", "figure a"):
        assert _contrast(page.locator(place).first.evaluate("one => getComputedStyle(one).color"), back) >= 4.5, place
    tick = page.locator("svg .xtick text").first
    assert _contrast(tick.evaluate("one => getComputedStyle(one).fill"), back) >= 4.5
    assert _contrast("rgb(119, 119, 119)", "rgb(130, 130, 130)") < 4.5, "grey on grey is seen"


def _contrast(one: str, two: str) -> float:
    """Contrast ratio of two CSS colours, WCAG 2.2."""
    bright, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
