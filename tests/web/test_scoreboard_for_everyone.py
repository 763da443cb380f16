"""The scoreboard for everyone: hostile records, phones, keyboards, no scripts, day and night."""

from dataclasses import replace
from pathlib import Path

import pytest
from hostile_texts import hostile_texts
from playwright.sync_api import expect
from scoreboard_pages import DESK, PHONE, Opener, drawn, rows_of, systems
from watched_page import OpenPage

from harness.board.build import Board, write_board
from harness.board.sources import Collection
from harness.board.words import plain

FRONTIERS = """() => document.getElementById('pareto-plot').data.filter(one => one.name.startsWith('frontier: '))
    .map(one => [one.name.slice(10), one.x, one.y])"""

EVERY = 8
"""Of so many hostile rows one has its own page opened."""


@pytest.fixture(scope="module")
def hostile_board(held: Collection, tmp_path_factory: pytest.TempPathFactory) -> tuple[Board, list[str]]:
    """A scoreboard in which each of more than 200 rows is called by another hostile text, in every field.

    Its own page holds those of the rows behind it too, where it shows a list: so that each is on a page that is opened.
    """
    base = next(one for one in held.found if one.detail.power is not None)
    texts = hostile_texts()
    found = []
    # Rows are made of cleaned texts; nothing but that is left out here.
    cleaned = [plain(text, 1000) for text in texts]
    for at, text in enumerate(cleaned):
        those = cleaned[at : at + EVERY]
        mark = text.replace(" ", "") or "x"
        row = replace(
            base.row, id=f"{at:016x}", model=text, system=text, device=text, name=text, command=text, correction=text,
            source=text, started_utc=text, marks=(f"emulated: {mark}", text), reasons=(text,), notes=(text,),
            declared={"price_usd": 1.0, "price_source": text}, corrected={"ips": (1.0, 2.0)},
        )  # fmt: skip
        findings = tuple(replace(base.detail.findings[0], title=one, text=one) for one in those)
        facts = tuple((one, one) for one in those)
        told = tuple((one, one, one) for one in those)
        devices = tuple(replace(one, name=text, roles=text, facts=told) for one in base.detail.devices)
        phases = tuple((one, 0.0, 60.0) for one in those)
        power = replace(base.detail.power, meter=text, phases=phases) if base.detail.power else None
        detail = replace(base.detail, findings=findings, facts=facts, devices=devices, power=power, no_power=text)
        found.append(replace(base, row=row, detail=detail))
    made = Collection(tuple(found), tuple(texts), frozenset())
    return write_board(made, tmp_path_factory.mktemp("hostile"), title=texts[0]), texts


def test_no_script_of_a_record_runs(hostile_board: tuple[Board, list[str]], open_page: OpenPage) -> None:
    """Proves that 380 hostile rows in table, plot, comparison and on their own pages run nothing and fetch nothing."""
    board, texts = hostile_board
    assert len(set(texts)) >= 200
    watched = open_page(None, offline=True, viewport=DESK)
    page = watched.page
    page.goto(board.page.as_uri() + "#compare=" + ",".join(row.id for row in board.rows[:200]))
    drawn(page)
    page.locator("#axis-y").select_option("latency_p50_s")
    page.locator("input[name=q]").fill("<script>")
    assert page.locator("#sides thead th").count() == 200 + 1
    shown = page.locator("tr.row th a").evaluate_all("all => all.map(one => one.textContent)")
    assert shown == [plain(text, 1000) for text in texts], "each is shown letter by letter"
    own, held = board.folder.as_uri() + "/", set()
    for row in board.rows[::EVERY]:
        page.goto((board.folder / "records" / f"{row.id}.html").as_uri())
        drawn(page)
        assert page.evaluate("window.taken") is None, row.system
        assert page.url.startswith(own), row.system
        held.update(page.locator("dl.facts dt").all_text_contents())
    assert held.issuperset(shown), "each is on a page that was opened"
    page.goto((board.folder / "figures.html").as_uri())
    assert page.evaluate("window.taken") is None
    assert [url for url in watched.requests if not url.startswith((own, "data:"))] == []
    assert watched.errors == []
    assert watched.messages == []


def test_a_script_that_got_in_would_be_seen(board: Board, tmp_path: Path, open_page: OpenPage) -> None:
    """Proves that the watch works, and that the page's policy alone already stops what is smuggled into it."""
    bare = tmp_path / "bare.html"
    bare.write_text("<!DOCTYPE html><img src=x onerror=window.taken=1>")
    page = open_page(None).page
    page.goto(bare.as_uri())
    page.wait_for_function("window.taken === 1")
    smuggled = board.folder / "smuggled.html"
    extra = "<script>window.taken=1</script><img src=x onerror=window.taken=1><iframe src=index.html></iframe></main>"
    smuggled.write_text(board.page.read_text().replace("</main>", extra))
    watched = open_page(None)
    watched.page.goto(smuggled.as_uri())
    drawn(watched.page)
    smuggled.unlink()
    assert watched.page.evaluate("window.taken") is None
    assert sum("Content Security Policy" in message for message in watched.messages) >= 3


@pytest.mark.parametrize("name", ["index.html", "figures.html", "records"])
@pytest.mark.parametrize("width", [390, 320, 1280])
def test_no_page_is_wider_than_its_window(board: Board, opened: Opener, name: str, width: int) -> None:
    """Proves that on a phone nothing makes the page scroll sideways, and that a control would be seen."""
    if name == "records":
        name = f"records/{next(row for row in board.rows if row.virtual).id}.html"
    page = opened(name, viewport={"width": width, "height": 844}).page
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wide, seen = page.evaluate(widths)
    assert wide <= seen
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div style=\"width:3000px\">x</div>')")
    assert page.evaluate(widths)[0] > seen


def test_a_phone_shows_cards_and_sorts_them(board: Board, opened: Opener) -> None:
    """Proves that a phone shows each row as a card with the names of its figures, and sorts them by a list."""
    page = opened(viewport=PHONE).page
    first = page.locator("tr.row:visible").first
    box = first.bounding_box()
    assert box is not None
    assert box["width"] < 390
    titles = first.locator("td[data-column=ips]").evaluate("one => getComputedStyle(one, '::before').content")
    assert titles == '"IPS"'
    page.locator("select[name=sort]").select_option("latency_p50_s")
    verified = rows_of(board, "VALID")
    assert systems(page) == [row.id for row in sorted(verified, key=lambda row: row.figures["latency_p50_s"])]


def test_the_keyboard_is_enough(board: Board, opened: Opener) -> None:
    """Proves that sorting, filtering, choosing and comparing work with Tab, Enter, Space and letters alone."""
    page = opened().page
    keys = page.keyboard

    def reach(selector: str) -> None:
        for _ in range(120):
            if page.evaluate("one => document.activeElement.matches(one)", selector):
                return
            keys.press("Tab")
        raise AssertionError(f"{selector} is not reached by Tab")

    keys.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", "the place is seen"
    reach("input[name=q]")
    keys.type("host")
    verified = [row for row in rows_of(board, "VALID") if "host" in row.system]
    assert systems(page) == [row.id for row in verified]
    reach("th[data-key=ips] button")
    keys.press("Enter")
    assert page.locator("th[data-key=ips]").get_attribute("aria-sort") == "descending"
    keys.press("Space")
    assert page.locator("th[data-key=ips]").get_attribute("aria-sort") == "ascending"
    reach("input.chosen")
    keys.press("Space")
    keys.press("Tab")
    reach("input.chosen")
    keys.press("Space")
    reach("#tray-compare")
    keys.press("Enter")
    assert page.locator("#sides").is_visible()


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_the_table_reads_without_scripts(board: Board, opened: Opener, viewport: dict[str, int]) -> None:
    """Proves that without JavaScript every usable row and figure is there, and the rest behind its check box."""
    page = opened(java_script_enabled=False, viewport=viewport).page
    for verdict, group in (("VALID", "verified"), ("PUBLISHED", "published")):
        lines = page.locator(f"tbody.group-{group} tr.row:visible")
        assert lines.count() == len(rows_of(board, verdict))
    assert page.locator("tbody.group-others").is_hidden()
    page.get_by_label("show rows that are not VALID").check()
    assert page.locator("tbody.group-others").is_visible()
    for hidden in ("#pareto", "select[name=model]", "input.chosen"):
        assert page.locator(hidden).first.is_hidden(), hidden
    assert "quick" in page.locator("tbody.group-verified").inner_text()
    assert page.get_by_role("link", name="CSV").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_page(board: Board, opened: Opener, scheme: str) -> None:
    """Proves a contrast of at least 4.5 (WCAG 2 AA) for text, marks and labels of plots, by day and by night."""
    page = opened(words="#others=1", color_scheme=scheme).page
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = _luminance(back)
    assert (light < 0.1) == (scheme == "dark")
    places = ("main p.soft", "td.number", "small.u", "small.corrected", ".verdict-VALID", ".verdict-INVALID", "th a",
              ".mark-virtual", ".mark-emulated", ".mark-published", ".mark-quick", "tr.group th")  # fmt: skip
    for place in places:
        one = page.locator(place).first
        behind = one.evaluate(
            """one => {
                for (let at = one; at; at = at.parentElement) {
                    const colour = getComputedStyle(at).backgroundColor;
                    if (!/, 0\\)$/.test(colour)) return colour;
                }
                return 'rgb(255, 255, 255)';
            }"""
        )
        assert _contrast(one.evaluate("one => getComputedStyle(one).color"), behind) >= 4.5, place
    tick = page.locator("svg .xtick text").first
    assert _contrast(tick.evaluate("one => getComputedStyle(one).fill"), back) >= 4.5
    assert _contrast("rgb(119, 119, 119)", "rgb(130, 130, 130)") < 4.5, "grey on grey is seen"


def test_the_plot_follows_day_and_night(opened: Opener) -> None:
    """Proves that a page that is open when night falls changes its plots, too."""
    page = opened(color_scheme="light").page
    tick = page.locator("svg .xtick text").first
    day = tick.evaluate("one => getComputedStyle(one).fill")
    page.emulate_media(color_scheme="dark")
    expect(tick).not_to_have_css("fill", day)


def _contrast(one: str, two: str) -> float:
    """Contrast ratio of two CSS colours, WCAG 2.2."""
    bright, dark = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
