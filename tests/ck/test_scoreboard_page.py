"""The page and rows of the module request.asplos18, without CK: against hostile entries and broken files."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hostile_texts import hostile_texts

from harness.records.entries.writer import NewPoint, write_point

ROOT = Path(__file__).resolve().parents[2]
META = "##meta#"
NAMES = ("algorithm_species", "model_design_name", "model_precision", "cpu_name", "timestamp", "farm", "plat_name")
NAMES += ("os_name", "library_name", "platform_price", "scenario_module_uoa")


class _Elements(HTMLParser):
    """Every element and attribute of a page, as a browser would see them."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {
            (name, value if name in ("href", "src", "action", "style") else None) for name, value in attrs
        }


def _elements(page):
    parser = _Elements()
    parser.feed(page)
    return parser.tags, parser.attributes


@pytest.fixture(scope="module")
def scoreboard():
    """The package beside the module, without CK."""
    name = "request_asplos18_scoreboard"
    folder = ROOT / "ck-programs/module/request.asplos18/scoreboard"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    yield importlib.import_module
    for module in [module for module in sys.modules if module.startswith(name)]:
        del sys.modules[module]


def _rows(scoreboard, folder, text):
    """Rows of an entry in which every text is hostile."""
    rows = scoreboard("request_asplos18_scoreboard.rows")
    meta = dict.fromkeys(NAMES, text)
    meta |= {"processed": "yes", "deps_summary": {"x": {"data_name": text, "version": text}}, text: text}
    run = {"execution_time": 1.0, "inference_throughput": 1.0, "prediction_time_avg_s": 1.0, "emulated": text}
    choices = {"data_uoa": text, "cmd_key": text, "target": text, "env": {text: text}}
    path, _ = write_point(folder, "hostile", NewPoint([{"run": {**run, text: text}}], choices=choices), meta=meta)
    entry = {"path": str(path), "repo_uoa": text, "data_uoa": text, "data_uid": text, "meta": {"meta": meta}}
    return rows.rows_of([entry])


def test_hostile_texts(scoreboard, tmp_path):
    """No text of an entry makes an element or an attribute that a harmless text does not make."""
    page = scoreboard("request_asplos18_scoreboard.page")
    expected = _elements(page.page(*_rows(scoreboard, tmp_path / "harmless", "harmless"), {}))
    texts = hostile_texts()
    assert len(texts) >= 200
    for number, text in enumerate(texts):
        table, left_out = _rows(scoreboard, tmp_path / str(number), text)
        assert len(table) == 1
        made = page.page(table, [*left_out, text], {"x": text, "y": text, META + "farm": ""})
        tags, attributes = _elements(made)
        assert tags <= expected[0] | {"details", "summary", "ul", "li"}, text
        assert attributes <= expected[1], text
        assert not any(character in made for character in "\x00\x1b\u202e")
        shutil.rmtree(tmp_path / str(number))
    # The control: the same page without escaping is seen.
    assert "script" in _elements(page.page([], [], {}) + "<script>x</script>")[0] - expected[0]


def test_a_hostile_filter(scoreboard, tmp_path):
    """A filter that somebody put into a link is escaped where the page repeats it."""
    page = scoreboard("request_asplos18_scoreboard.page")
    table, left_out = _rows(scoreboard, tmp_path, "harmless")
    made = page.page(table, left_out, {META + "farm": '"><script>window.taken=1</script>'})
    assert "script" not in _elements(made)[0]


def test_names_that_are_no_command(scoreboard, tmp_path):
    """A name that a shell would take for something else gives no command to copy."""
    for text in ("x; rm -rf ~", "$(id)", "`id`", "a b", "-f", "x\ny"):
        (row,), _ = _rows(scoreboard, tmp_path / str(time.monotonic_ns()), text)
        assert row["replay"] == ""


def test_files_that_are_none(scoreboard, tmp_path):
    """A flat file that is a link, no JSON, no object or too large gives a line and no row, and hides no other point."""
    rows = scoreboard("request_asplos18_scoreboard.rows")
    (good,), _ = _rows(scoreboard, tmp_path, "harmless")
    folder = tmp_path / "experiment/hostile"
    entry = {"path": str(folder), "repo_uoa": "r", "data_uoa": "d", "data_uid": "u", "meta": {}}
    for number, content in enumerate(("", "{", "[]", "1", "[" * 100_000)):
        (folder / f"ckp-{number:016x}.flat.json").write_text(content)
    (folder / f"ckp-{'f' * 16}.flat.json").symlink_to(folder / f"ckp-{good['##point_uid']}.flat.json")
    table, left_out = rows.rows_of([entry])
    assert [row["##point_uid"] for row in table] == [good["##point_uid"]]
    assert len(left_out) == 6
