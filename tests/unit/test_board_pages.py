"""The pages of the scoreboard as text: nothing that a record says becomes mark-up, and nothing is asked for."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from board_records import SaidAudit, collection, document, figures, found, row
from hostile_texts import hostile_texts, laden

from harness.board.build import write_board
from harness.board.detail import detail_of_record
from harness.board.exports import csv_text, json_document, markdown_text
from harness.board.look import inside_html
from harness.board.pages import ASSETS, PLOTLY, POLICY, Listing, Site, render_figures, render_index, render_record
from harness.board.paper_figures import paper_figures
from harness.board.row import Row, row_of_record
from harness.board.sources import Collection, Found
from harness.errors import BadInputError

SITE = Site("Board", "iot-farm 0", "2026-01-01T00:00:00+00:00")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SCRIPTS = {f"assets/{name}" for name in (*ASSETS, PLOTLY) if name.endswith(".js")}


class Outline(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text.append(data)

    @property
    def form(self) -> list[tuple[str, tuple[str, ...]]]:
        """What the page is made of, without what stands in it."""
        return [(tag, tuple(sorted(attributes))) for tag, attributes in self.tags]


def hostile(text: str) -> Found:
    """A row and a detail in which every text that a record, a checker or a publication may hold is this one."""
    content = document(frames=12, power="virtual", measured=False, declared={"price_usd": 3.0, "price_source": text})
    content = laden(content, text) | {"devices": [{"name": text, "roles": [text], "before": {text: text}, "after": {}}]}
    content |= {"options": {}, "target": {"name": text, "kind": "host", "devices": 1, "device": text}}
    audit = SaidAudit(
        status="VALID",
        reasons=(text,),
        notes=(text,),
        findings=(SimpleNamespace(rule=text, title=text, passed=False, detail=text),),
        figures=figures(document(frames=12, power="virtual")),
    )
    made = row_of_record(content, audit, text)
    # A publication and a stored row pass through no checker: their texts are put in by hand.
    worst = replace(made, correction=text, source=text, command=text, corrected={"ips": (1.0, 2.0)})
    detail = replace(detail_of_record(content, audit, None), samples={text: (1.0,)}, no_power=text)
    return Found(worst, detail)


def pages_of(one: Found) -> dict[str, str]:
    """Every page that a row may stand on."""
    published = replace(one.row, origin="published", verdict="PUBLISHED", figure="paper-5")
    rows = [one.row, replace(one.row, id="f" * 16, verdict="INVALID"), published]
    rows[0] = replace(rows[0], model="alexnet")
    return {
        "index": render_index([one.row, *rows[1:]], replace(SITE, title=one.row.model), problems=[one.row.model]),
        "listing": render_index(rows, SITE, listing=Listing({"q": one.row.model}, 2, 3, 300, (one.row.model,))),
        "record": render_record(one.row, one.detail, SITE),
        "published": render_record(published, one.detail, SITE),
        "figures": render_figures(rows, SITE),
    }


def test_no_text_of_a_record_becomes_mark_up() -> None:
    """Proves that 380 hostile texts in every field leave each page the same elements and attributes as a tame one."""
    texts = hostile_texts()
    assert len(set(texts)) >= 200
    tame = {name: Outline(page).form for name, page in pages_of(hostile("tame")).items()}
    for text in texts:
        for name, page in pages_of(hostile(text)).items():
            outline = Outline(page)
            assert outline.form == tame[name], f"{name}: {text!r}"
            for tag, attributes in outline.tags:
                assert tag not in ("base", "iframe", "object", "embed", "img", "style"), f"{name}: {text!r}"
                assert not [one for one in attributes if one.startswith("on")], f"{name}: {text!r}"
                for key in ("href", "src", "action"):
                    assert not (attributes.get(key) or "").strip().lower().startswith(("javascript", "//", "http"))
            assert "<script>" not in page.lower(), f"{name}: {text!r}"


def test_the_comparison_sees_mark_up() -> None:
    """Proves that the test above would see one unescaped text."""
    tame, page = Outline("<p>tame</p>").form, Outline("<p><img src=x onerror=window.taken=1></p>").form
    assert tame != page


def test_json_in_a_page_ends_no_element() -> None:
    """Proves that no text can close the element that holds the data, and that it is read back unchanged."""
    for text in hostile_texts():
        inside = inside_html({"text": text, text: 1})
        assert not set("<>&\u2028\u2029") & set(inside)
        assert json.loads(inside) == {"text": text, text: 1}


def test_every_page_keeps_its_policy_and_its_own_scripts() -> None:
    """Proves that each page forbids requests and inline scripts, and asks for files of its own folder alone."""
    for name, page in pages_of(hostile("tame")).items():
        outline = Outline(page)
        policy = [one["content"] for tag, one in outline.tags if tag == "meta" and "http-equiv" in one]
        assert policy == [POLICY], name
        root = "../" if name in ("record", "published") else ""
        sources = {one["src"].removeprefix(root) for tag, one in outline.tags if tag == "script" and "src" in one}
        assert sources <= SCRIPTS, name
        inline = [one for tag, one in outline.tags if tag == "script" and "src" not in one]
        assert all(one.get("type") == "application/json" for one in inline), name
    assert "unsafe-inline" not in POLICY.split("script-src")[1].split(";")[0]
    assert "http" not in POLICY


def test_only_valid_rows_are_in_sight_and_published_ones_apart() -> None:
    """Proves that a table without scripts holds three groups, and that the third one hangs on its check box."""
    rows = [row(), row(id="a" * 16, verdict="INVALID"), row(id="b" * 16, verdict="PUBLISHED", origin="published")]
    page = render_index(rows, SITE)
    groups = [one["data-group"] for tag, one in Outline(page).tags if tag == "tbody"]
    assert groups == ["verified", "published", "others"]
    assert 'id="others">' in page
    assert 'id="others" checked>' in render_index(rows, SITE, show_all=True)


def test_a_service_s_list_links_to_its_neighbours() -> None:
    """Proves that headings, pages and filters of a service are links and a form with the words of the query."""
    listing = Listing({"q": 'a&b="c', "sort": "ips", "order": "desc", "page": "2"}, 2, 3, 250, ("alexnet",))
    outline = Outline(render_index([row()], SITE, listing=listing))
    links = [one["href"] for tag, one in outline.tags if tag == "a" and (one.get("href") or "").startswith("?")]
    assert "?q=a%26b%3D%22c&sort=ips&order=desc&page=3" in links
    assert "?q=a%26b%3D%22c&sort=ips&order=asc" in links, "the other way round begins at the first page"
    assert [one for tag, one in outline.tags if one.get("aria-sort") == "descending"]
    assert not [one for tag, one in outline.tags if tag == "button" and one.get("class") == "sort"]


def test_the_exports_hold_every_figure_and_no_formula() -> None:
    """Proves that JSON and CSV keep each figure to the last digit, and that no text is a formula or mark-up in them."""
    for text in hostile_texts():
        one = hostile(text).row
        (line,) = csv.DictReader(io.StringIO(csv_text([one])))
        assert float(line["ips"]) == one.figures["ips"]
        assert all(not value or value[0] not in "=+-@\t\r" or _is_number(value) for value in line.values()), text
        marked = markdown_text([one], text)
        assert "<" not in marked, text
        assert "](" not in marked, text
    rows = [row(), row(id="b" * 16, figures={"ips": 0.1 + 0.2})]
    exported = json.loads(json.dumps(json_document(rows, program="p", generated_utc="", files=[])))
    assert [Row.from_document(one) for one in exported["rows"]] == rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_the_paper_s_figures_take_the_newest_valid_run_of_a_system() -> None:
    """Proves that of our runs one bar for each system is drawn, in the paper's order, and that the rest is counted."""
    early = row(id="1" * 16, started_utc="2026-01-01T00:00:00+00:00")
    late = row(id="2" * 16, started_utc="2026-02-01T00:00:00+00:00")
    refused = row(id="3" * 16, verdict="INVALID", started_utc="2026-03-01T00:00:00+00:00")
    gpu = row(id="4" * 16, kind="host", device="GPU", devices=1, system="host")
    published = row(id="p", origin="published", verdict="PUBLISHED", figure="paper-5", system="Pi farm", devices=5)
    other = row(id="c", origin="published", verdict="PUBLISHED", figure="ck")
    (figure,) = paper_figures([early, late, refused, gpu, published, other])
    assert [bar.id for bar in figure.bars] == [gpu.id, "p", late.id]
    assert (figure.left_out, figure.ours) == (1, 2)
    assert paper_figures([refused, other]) == []


def test_a_folder_is_written_whole_and_anew(tmp_path: Path) -> None:
    """Proves that a second build replaces the pages of the first, and leaves files of others alone."""
    held = collection(tmp_path / "runs")
    out = tmp_path / "board"
    first = write_board(held, out, now=NOW)
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == set(first.files)
    assert first.count("VALID") == 8
    (out / "notes.txt").write_text("mine")
    second = write_board(Collection(held.found[:1], (), held.folders), out, now=NOW)
    left = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert left == set(second.files) | {"notes.txt"}
    again = {name: (out / name).read_bytes() for name in second.files}
    write_board(Collection(held.found[:1], (), held.folders), out, now=NOW)
    assert again == {name: (out / name).read_bytes() for name in second.files}, "the same rows give the same bytes"


def test_a_folder_of_others_is_left_alone(tmp_path: Path) -> None:
    """Proves that neither records nor another page are written over, and that a file is no folder."""
    held = collection(tmp_path / "runs")
    with pytest.raises(BadInputError, match="holds the records"):
        write_board(held, tmp_path / "other" / ".." / "runs")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("mine")
    with pytest.raises(BadInputError, match="which is not ours"):
        write_board(held, tmp_path / "page")
    (tmp_path / "page" / "scoreboard.json").write_text(
        json.dumps({"format": "ck-iot-farm scoreboard", "files": ["../../runs/run.power.csv", "/etc/passwd"]})
    )
    write_board(held, tmp_path / "page")
    assert (tmp_path / "runs" / "run.power.csv").exists(), "a list of files that point elsewhere removes nothing"
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInputError, match="is no folder"):
        write_board(held, tmp_path / "file")
    with pytest.raises(BadInputError, match="cannot be written"):
        write_board(held, Path("/proc/board"))


def test_too_many_rows_are_for_the_service() -> None:
    """Proves that a page that no browser could sort is refused, with the way out."""
    one = found(document(frames=3))
    many = tuple(replace(one, row=replace(one.row, id=f"{at:016x}")) for at in range(2001))
    with pytest.raises(BadInputError, match="too many for one page"):
        write_board(Collection(many, (), frozenset()), Path("/nonexistent"))


@pytest.mark.parametrize("verdict", ["VALID", "INVALID", "INCOMPLETE"])
def test_a_refused_run_s_page_strikes_its_figures_out(verdict: str) -> None:
    """Proves that each figure of a refused run is struck out, read out as not to be used, and none of a good one."""
    page = render_record(row(verdict=verdict, reasons=("a reason",)), found(document()).detail, SITE)
    struck = [tag for tag, _ in Outline(page).tags if tag == "s"]
    assert page.count("not to be used: </span>") == len(struck)
    assert bool(struck) == (verdict != "VALID")
    assert ("must not be used" in page) == (verdict != "VALID")
    assert (f'title="{row().figures["ips"]!r}"' in page) == (verdict == "VALID")
