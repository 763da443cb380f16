"""The scoreboard as its reader meets it: from disk, offline, in a browser, with mouse, keyboard and neither."""

import csv
import io
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect
from scoreboard_pages import FRONTIERS, Opener, drawn, expected_frontiers, rows_of, systems

from harness.board.build import Board
from harness.board.columns import AXES
from harness.board.row import USABLE, Row
from harness.board.sources import Collection


@pytest.mark.parametrize("name", ["index.html", "figures.html", "record", "published"])
def test_no_request_leaves_the_folder(board: Board, opened: Opener, name: str) -> None:
    """Proves that every page draws everything offline from its own folder, with no word on the console."""
    if name in ("record", "published"):
        row = next(row for row in board.rows if (row.virtual if name == "record" else row.origin == "published"))
        name = f"records/{row.id}.html"
    watched = opened(name)
    asked = [url for url in watched.requests if not url.startswith("data:")]
    assert asked[0] == (board.folder / name).as_uri()
    assert all(url.startswith(board.folder.as_uri() + "/") for url in asked)
    assert (watched.messages, watched.errors) == ([], [])


def test_columns_sort_both_ways_and_groups_stay_apart(board: Board, opened: Opener) -> None:
    """Proves that a heading sorts, the best first, then the other way; missing figures last; published rows apart."""
    page = opened().page
    head = page.locator('th[data-key="energy_total_j"]')
    verified = rows_of(board, "VALID")
    known = [row for row in verified if row.value("energy_total_j") is not None]
    missing = [row.id for row in verified if row.value("energy_total_j") is None]
    ascending = [row.id for row in sorted(known, key=lambda row: row.figures["energy_total_j"])]
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert systems(page) == ascending + missing
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert systems(page) == ascending[::-1] + missing
    assert ascending != ascending[::-1]
    assert page.locator("th[aria-sort]").count() == 1
    page.locator('th[data-key="ips"] button').click()
    assert systems(page) == [row.id for row in sorted(verified, key=lambda row: -row.figures["ips"])]
    assert len(systems(page, "published")) == 18
    page.locator('th[data-key="system"] button').click()
    names = [next(row for row in verified if row.id == one).label for one in systems(page)]
    assert names == sorted(names, key=str.casefold) or names[0].startswith("farm-5")


def test_published_rows_rank_among_verified_ones_on_request_only(board: Board, opened: Opener) -> None:
    """Proves that the switch puts both into one order, that each still wears its mark, and that it goes back."""
    page = opened().page
    page.locator('th[data-key="ips"] button').click()
    before = systems(page)
    page.get_by_label("rank published rows").check()
    mixed = [*rows_of(board, "VALID"), *rows_of(board, "PUBLISHED")]
    assert systems(page) == [row.id for row in sorted(mixed, key=lambda row: -row.figures["ips"])]
    marks = page.locator("tbody.group-verified tr.row:visible .mark-published").all_inner_texts()
    assert marks == ["published 2018"] * 18
    page.get_by_label("rank published rows").uncheck()
    assert systems(page) == before


def test_filters_narrow_rows_and_plot(board: Board, opened: Opener) -> None:
    """Proves that each filter leaves the rows that fit, in table and plot, and that the address brings them back."""
    page = opened().page
    verified = rows_of(board, "VALID")
    page.locator("select[name=model]").select_option("vgg16")
    assert systems(page) == [row.id for row in verified if row.model == "vgg16"]
    assert not [name for name, *_ in page.evaluate(FRONTIERS) if "alexnet" in name]
    page.locator("select[name=kind]").select_option("farm")
    assert systems(page) == [row.id for row in verified if row.model == "vgg16" and row.kind == "farm"]
    page.locator("select[name=mark]").select_option("virtual")
    wanted = [row.id for row in verified if row.model == "vgg16" and row.virtual]
    assert systems(page) == wanted
    address = page.url
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.locator("tbody.group-verified tr.row:visible")).to_have_count(len(verified))
    page.locator("input[name=q]").fill("BENCH alexnet")
    assert systems(page) == [row.id for row in verified if "bench" in row.system]
    page.locator("input[name=q]").fill("nothing has this name")
    assert systems(page) == []
    assert page.locator("#shown").inner_text() == "0 rows shown, 28 hidden."
    page.goto("about:blank")
    page.goto(address)
    drawn(page)
    assert systems(page) == wanted, "a link shows what its sender saw"


def test_rows_that_are_not_valid_hide_until_asked_for(board: Board, opened: Opener) -> None:
    """Proves that INVALID and INCOMPLETE rows are out of sight at first, and then struck out, with their reason."""
    page = opened().page
    assert page.locator("tbody.group-others").is_hidden()
    page.get_by_label("show rows that are not VALID").check()
    assert systems(page, "others") == [row.id for row in board.rows if row.verdict not in USABLE]
    assert "results differ" in page.locator("tbody.group-others").inner_text()
    struck = page.locator("tbody.group-others td[data-column=ips]").first
    assert "line-through" in struck.evaluate("one => getComputedStyle(one).textDecorationLine")
    assert not [name for name, *_ in page.evaluate(FRONTIERS) if "not valid" in name]


def test_every_pair_of_axes_has_its_frontier(board: Board, opened: Opener) -> None:
    """Proves that for each pair of figures the plot draws the frontiers that the program computes, kind by kind."""
    page = opened().page
    count = 0
    for x in AXES:
        page.locator("#axis-x").select_option(x.id)
        for y in AXES:
            page.locator("#axis-y").select_option(y.id)
            shown = {name: set(zip(xs, ys, strict=True)) for name, xs, ys in page.evaluate(FRONTIERS)}
            assert shown == expected_frontiers(board.rows, x.id, y.id), (x.id, y.id)
            count += len(shown)
    assert count > 200
    assert expected_frontiers(board.rows, "ips", "energy_total_j") != expected_frontiers(board.rows, "ips", "price_usd")
    page.locator("#axis-y").select_option("accuracy")
    assert "No row that is shown has both" in page.locator("#pareto-plot").text_content()


def test_equal_points_are_both_on_the_frontier(opened: Opener) -> None:
    """Proves that the page's own frontier keeps ties and drops what is beaten in one figure alone."""
    page = opened().page
    points = [[1, 5], [1, 5], [1, 6], [2, 5], [2, 5], [0, 4], [3, 9], [3, 9]]
    kept = page.evaluate(
        "all => frontier(all.map(([x, y]) => ({x, y})), 'higher', 'lower').map(one => [one.x, one.y])", points
    )
    assert sorted(kept) == [[0, 4], [2, 5], [2, 5], [3, 9], [3, 9]]


def test_kinds_of_figures_look_different(opened: Opener) -> None:
    """Proves that published, virtual and emulated points have other symbols, and that no line joins two kinds."""
    page = opened(words="#x=ips&y=energy_total_j").page
    symbols = page.evaluate(
        "() => Object.fromEntries(document.getElementById('pareto-plot').data"
        ".filter(one => one.mode === 'markers').map(one => [one.name, [...new Set(one.marker.symbol)].join()]))"
    )
    assert symbols["alexnet, published 2018, not verified"] == "square-open"
    assert symbols["alexnet, verified, measured energy"] == "circle"
    assert symbols["alexnet, verified, virtual energy"] == "circle-open"
    assert symbols["alexnet, verified, emulated rpi3, virtual energy"] == "diamond-open"


def test_a_record_opens_with_its_samples_checks_and_command(held: Collection, opened: Opener) -> None:
    """Proves that a row leads to a page with its raw samples, its checks, its environment and its command."""
    one = next(one for one in held.found if one.detail.power is not None)
    page = opened().page
    page.locator(f'tr[data-id="{one.row.id}"] th a').click()
    drawn(page)
    assert page.url.endswith(f"records/{one.row.id}.html")
    assert page.locator("#command").inner_text() == one.row.command
    assert [box.strip() for box in page.locator(".checks .box").all_inner_texts()] == ["[x]", "?"]
    assert "every frame that was sent came back once" in page.locator(".checks").inner_text()
    plots = page.evaluate("[...document.querySelectorAll('.drawing')].map(one => [one.id, one.data[0].x.length])")
    assert one.detail.frames is not None
    assert plots == [["latency", 200], ["completed", 201], ["power", len(one.detail.power.at_s)]]
    assert page.locator("figure .mark-virtual").count() == 1
    assert "made up by a load model" in page.locator(".banner").first.inner_text()
    changed = page.locator("tr.changed").all_inner_texts()
    assert len(changed) == 1
    assert "load_1min" in changed[0]
    page.get_by_role("link", name="Scoreboard").click()
    assert page.url.endswith("index.html")


def test_a_published_page_gives_ranges_and_the_reason(opened: Opener) -> None:
    """Proves that a published row's page says that nobody can check it, what honest counting leaves, and why."""
    page = opened("records/published-2018-ck-vgg16-farm-11.html").page
    text = page.locator("main").inner_text()
    for words in ("Nobody can check them again", "corrected 1.20", "Published repetitions", "declared, not measured"):
        assert words in text, words
    assert page.locator("#command").count() == 0


def test_two_and_more_are_compared(board: Board, opened: Opener) -> None:
    """Proves that chosen rows stand side by side with ratios to the first, and that a link brings the choice back."""
    page = opened().page
    cpu, farm = (
        next(row for row in board.rows if row.label == name) for name in ("host (CPU)", "farm-6-local (6 devices)")
    )
    page.locator(f'input.chosen[value="{cpu.id}"]').check()
    compare = page.get_by_role("button", name="Compare", exact=True)
    assert compare.is_disabled()
    page.locator(f'input.chosen[value="{farm.id}"]').check()
    compare.click()
    table = page.locator("#sides")
    assert page.locator("#compare-title").evaluate("one => one === document.activeElement")
    line = table.locator("tr", has=page.get_by_role("rowheader", name="IPS", exact=True)).inner_text()
    times = f"{cpu.figures['ips'] / farm.figures['ips']:.3g} times"
    assert f"{times} slower" in line
    energy = table.locator("tr", has=page.get_by_role("rowheader", name="total energy")).inner_text()
    assert "virtual against measured" in energy
    table.get_by_role("button", name="make it the first").click()
    line = table.locator("tr", has=page.get_by_role("rowheader", name="IPS", exact=True)).inner_text()
    assert f"{times} faster" in line
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    drawn(page)
    assert table.locator("thead th a").all_inner_texts() == [farm.label, cpu.label]
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#compare").is_hidden()


def test_a_verified_run_is_compared_with_the_corrected_range(board: Board, opened: Opener) -> None:
    """Proves that a farm that was counted twice gives a range of ratios, and two published rows a plain ratio."""
    run = next(row for row in board.rows if row.label == "farm-6-local (6 devices)")
    published, single = "published-2018-paper-alexnet-farm-6", "published-2018-paper-alexnet-tx2-cpu"
    low, high = next(row for row in board.rows if row.id == published).corrected["ips"]
    page = opened(words=f"#compare={published},{run.id},{single}").page
    cells = page.locator("#sides tr", has=page.get_by_role("rowheader", name="IPS", exact=True)).locator("td")
    ours, theirs = cells.nth(1).inner_text(), cells.nth(2).inner_text()
    assert low < run.figures["ips"] < high
    slower, faster = high / run.figures["ips"], run.figures["ips"] / low
    assert f"{slower:.3g} times slower to {faster:.3g} times faster" in ours
    assert "by the corrected range" in ours
    assert "range" not in theirs
    energy = page.locator("#sides tr", has=page.get_by_role("rowheader", name="total energy")).locator("td").nth(1)
    assert "virtual against published" in energy.inner_text()


def test_exports_are_taken_away(board: Board, opened: Opener) -> None:
    """Proves that each form is behind its link, as a download or as a page to save, and holds every row."""
    texts = {}
    page = opened(accept_downloads=True).page
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV", exact=True).click()
    texts["CSV"] = Path(waiting.value.path()).read_text()
    for name in ("JSON", "Markdown"):
        # From disk a browser shows these two; a service's are downloaded.
        page = opened().page
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url("**/scoreboard.*")
        texts[name] = page.locator("pre").text_content() or ""
    lines = list(csv.DictReader(io.StringIO(texts["CSV"])))
    assert [line["id"] for line in lines] == [row.id for row in board.rows]
    assert [Row.from_document(one) for one in json.loads(texts["JSON"])["rows"]] == list(board.rows)
    assert texts["Markdown"].count("\n| ") == 26 + 2


def test_the_paper_s_figures_stand_beside_ours(board: Board, opened: Opener) -> None:
    """Proves that six panels show the published bars and ours, the made-up energies hatched and named."""
    page = opened("figures.html").page
    panels = page.evaluate(
        """() => [...document.querySelectorAll('.drawing')].map(one => ({
            bars: one.data.filter(part => part.type === 'bar').flatMap(part => part.y.filter(y => y !== null)).length,
            hatched: one.data.filter(part => part.type === 'bar')
                .flatMap(part => part.marker.pattern.shape).filter(Boolean).length,
            ranges: one.data.filter(part => part.name === 'corrected range').flatMap(part => part.x).length,
            words: one.layout.annotations.map(part => part.text)}))"""
    )
    # AlexNet: four published systems and five of ours, of which four have an energy.
    assert [panel["bars"] for panel in panels] == [9, 16, 8, 7, 12, 6]
    assert [panel["ranges"] for panel in panels] == [2, 0, 2, 2, 0, 2]
    assert [panel["words"].count("virtual") for panel in panels] == [0, 2, 2, 0, 1, 1]
    assert [panel["words"].count("not measured") for panel in panels] == [0, 1, 1, 0, 1, 1]
    assert [panel["hatched"] for panel in panels] == [0, 4, 2, 0, 2, 1]
    page.locator("summary").first.click()
    assert "farm-6-local" in page.locator("details table").first.inner_text()
