"""The scoreboard is legible: on a phone, at a desk, and where its figures must not be used."""

from dataclasses import replace
from pathlib import Path

import pytest
from board_records import document, found, row
from playwright.sync_api import Locator, Page, expect
from scoreboard_pages import DESK, PHONE, Opener, drawn
from watched_page import OpenPage

from harness.board.build import Board, write_board
from harness.board.row import USABLE
from harness.board.sources import Collection

IPS = {"half": 36.27, "nearer": 72.5, "near": 71.5, "reference": 72.54, "far": 290.16}
"""Three of them differ by less than 2 %."""
LONG = "seal: the record was changed after it was written: its SHA-256 is another"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """Five verified runs with an energy and a price, and two that must not be used, with long reasons."""
    base = found(document(power="virtual", measured=False))
    runs = [
        replace(
            base, row=replace(base.row, id=f"{at:016x}", name=f"run-{name}", figures={**base.row.figures, "ips": ips})
        )
        for at, (name, ips) in enumerate(IPS.items())
    ]
    for at, verdict in enumerate(("INVALID", "INCOMPLETE"), start=len(IPS)):
        marks = ("virtual", "quick")
        refused = replace(base.row, id=f"{at:016x}", name=verdict, verdict=verdict, reasons=(LONG,), marks=marks)
        runs.append(replace(base, row=replace(refused, declared={"price_usd": 12345.0, "peak_power_w": 123.5})))
    return write_board(Collection(tuple(runs), (), frozenset()), tmp_path_factory.mktemp("crowded"))


def shown(open_page: OpenPage, board: Board, name: str = "index.html", words: str = "", **options: object) -> Page:
    """A page of a board, with its plots."""
    page = open_page(None, **({"offline": True, "viewport": DESK} | options)).page
    page.goto((board.folder / name).as_uri() + words)
    drawn(page)
    return page


def split_words(cells: Locator) -> list[str]:
    """Names without a hyphen or a dot of which one word stands on more lines than one."""
    found: list[str] = cells.evaluate_all(
        """all => all.flatMap(cell => [...cell.childNodes].filter(one => one.nodeType === 3).flatMap(node =>
            [...node.data.matchAll(/[A-Za-z0-9]+/g)].filter(word => {
                const range = document.createRange();
                range.setStart(node, word.index);
                range.setEnd(node, word.index + word[0].length);
                return range.getClientRects().length > 1;
            }).map(word => word[0])))"""
    )
    return found


@pytest.mark.parametrize("width", [320, 390, 800])
def test_names_of_figures_and_facts_are_whole_words(board: Board, opened: Opener, width: int) -> None:
    """Proves that no word of a first column is broken on a phone or a small desk, and that a broken one is seen."""
    one = next(row for row in board.rows if row.virtual)
    page = opened(f"records/{one.id}.html", viewport={"width": width, "height": 844}).page
    names = page.locator(".lines tbody th:visible")
    assert names.count() > 10
    assert split_words(names) == []
    page.add_style_tag(content=".lines th { width: 2.5rem; max-width: 2.5rem; min-width: 0; overflow-wrap: anywhere; }")
    assert split_words(names) != []


@pytest.mark.parametrize("width", [320, 390])
def test_corrected_ranges_stay_in_their_cells(opened: Opener, width: int) -> None:
    """Proves that a range on a phone's card neither leaves its cell nor the card, and is small and amber."""
    page = opened(viewport={"width": width, "height": 844}).page
    ranges = page.locator("tr.row td small.corrected:visible")
    assert ranges.count() > 10
    beyond = """all => all.filter(one => {
        const range = document.createRange();
        range.selectNodeContents(one);
        return range.getBoundingClientRect().right > one.closest('td').getBoundingClientRect().right + 1;
    }).length"""
    assert ranges.evaluate_all(beyond) == 0
    look = "one => [getComputedStyle(one).color, parseFloat(getComputedStyle(one).fontSize)]"
    amber, size = ranges.first.evaluate(look)
    plain, large = page.locator("tr.row td.number:visible").first.evaluate(look)
    assert amber != plain
    assert size < large
    page.add_style_tag(content=".board td small.corrected { white-space: nowrap !important; font-size: 1.3rem; }")
    assert ranges.evaluate_all(beyond) > 0, "one that leaves its cell is seen"


def test_the_table_fits_its_box_with_rows_that_are_not_valid(board: Board, crowded: Board, open_page: OpenPage) -> None:
    """Proves that at 1280 pixels no column is cut off, with long reasons in sight, and that one would be seen."""
    for one in (board, crowded):
        page = shown(open_page, one, words="#others=1")
        assert page.locator("small.reason:visible").count() == 2
        box = page.locator(".scroll:has(#board)")
        beyond = "one => one.scrollWidth - one.clientWidth"
        assert box.evaluate(beyond) <= 0
        page.add_style_tag(content="#board .reason { min-width: 20rem; }")
        assert box.evaluate(beyond) > 0


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_figures_that_must_not_be_used_are_struck_out(
    crowded: Board, open_page: OpenPage, viewport: dict[str, int]
) -> None:
    """Proves that a page of a refused run strikes out each figure, for the ear too, and that of a good run none."""
    for one in crowded.rows:
        page = shown(open_page, crowded, f"records/{one.id}.html", viewport=viewport)
        figures = page.locator(".tile strong")
        struck = page.locator(".tile strong > s")
        assert figures.count() > 5
        if one.verdict in USABLE:
            assert page.locator("s").count() == 0
            continue
        assert struck.count() == figures.count()
        assert all(text.startswith("not to be used: ") for text in struck.all_text_contents())
        assert "line-through" in struck.first.evaluate("one => getComputedStyle(one).textDecorationLine")
        lines = page.locator("section[aria-labelledby=figures] td.number")
        # What was declared was not measured: two prices and the accuracy stay as they are.
        assert lines.locator("s").count() == lines.count() - 3 > 5
        assert "figures must not be used" in page.locator(".banner.bad").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_ratios_judge_nothing(crowded: Board, open_page: OpenPage) -> None:
    """Proves that ratios are 1 or more, say which way and no more, and that the command that judges stands below."""
    by_name = {one.name: one.id for one in crowded.rows}
    chosen = [by_name[f"run-{name}"] for name in ("reference", "nearer", "near", "far", "half")]
    page = shown(open_page, crowded, words="#compare=" + ",".join(chosen))
    line = page.locator("#sides tr", has=page.get_by_role("rowheader", name="IPS", exact=True))
    ratios = line.locator("small.ratio")
    assert ratios.all_inner_texts() == ["1.00 times", "1.01 times slower", "4.00 times faster", "2.00 times slower"]
    text = page.locator("#compare").inner_text()
    assert not [word for word in ("better", "worse", "\N{MULTIPLICATION SIGN}") if word in text]
    colours = ratios.evaluate_all("all => [...new Set(all.map(one => getComputedStyle(one).color))]")
    assert colours == [page.locator("#sides thead small").first.evaluate("one => getComputedStyle(one).color")]
    names = " ".join(f"run-{name}.json" for name in ("reference", "nearer", "near", "far", "half"))
    assert page.locator("#sides-command").inner_text() == f"iot-farm compare {names}"
    page.goto("about:blank")
    page = shown(open_page, crowded, words=f"#others=1&compare={chosen[0]},{by_name['INVALID']}")
    assert page.locator("#sides-command").inner_text() == "iot-farm compare run-reference.json INVALID.json --all"
    assert "(not valid)" in page.locator("#sides small.ratio").first.inner_text()
    assert page.locator("#sides td:last-child > s").count() > 5
    assert page.locator("#sides td:nth-child(2) > s").count() == 0


def test_a_command_holds_no_name_that_a_shell_would_read(tmp_path: Path, open_page: OpenPage) -> None:
    """Proves that runs with other names than plain ones, and published rows, get the command without names."""
    names = ("plain", "$(reboot)", "-x", "a b")
    rows = [row(id=f"{at:016x}", name=name) for at, name in enumerate(names)]
    base = found(document())
    found_rows = tuple(replace(base, row=one) for one in rows)
    made = write_board(Collection(found_rows, (), frozenset()), tmp_path / "board")
    for other in rows[1:]:
        page = shown(open_page, made, words=f"#compare={rows[0].id},{other.id}")
        assert page.locator("#sides tbody tr").count() > 3
        assert page.locator("#sides-command").inner_text() == "iot-farm compare"


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_two_systems_whole_and_says_where_more_are(
    crowded: Board, open_page: OpenPage, width: int
) -> None:
    """Proves that two systems fit on a phone, that a line says where more do not, and that the bar covers nothing."""
    ids = [one.id for one in crowded.rows]
    viewport = {"width": width, "height": 844}
    page = shown(open_page, crowded, words=f"#compare={ids[0]},{ids[1]}", viewport=viewport)
    box, more = page.locator(".scroll:has(#sides)"), page.locator("#sides-more")
    assert box.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    assert more.is_hidden()
    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
    for place in ("#sides", "#sides-command", "footer p"):
        covered, bar = page.locator(place).bounding_box(), page.locator("#tray").bounding_box()
        assert covered is not None
        assert bar is not None
        assert covered["y"] + covered["height"] <= bar["y"] or covered["y"] >= bar["y"] + bar["height"], place
    page.goto("about:blank")
    page = shown(open_page, crowded, words="#compare=" + ",".join(ids[:4]), viewport=viewport)
    assert page.locator("#sides-more").is_visible()


def test_an_empty_plot_has_no_scale(opened: Opener) -> None:
    """Proves that the words on an empty plot stand alone, and that axes and grid are back with the first point."""
    page = opened().page
    lines = page.locator("#pareto-plot .gridlayer path, #pareto-plot .xtick, #pareto-plot .ytick")
    assert lines.count() > 4
    page.locator("#axis-y").select_option("accuracy")
    expect(lines).to_have_count(0)
    assert "No row that is shown has both" in (page.locator("#pareto-plot").text_content() or "")
    page.locator("#axis-y").select_option("latency_p50_s")
    expect(lines).not_to_have_count(0)
