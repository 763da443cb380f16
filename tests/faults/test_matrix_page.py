"""The page of the fault matrix tells of tests that are really there, and of all of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "fault-matrix.md"
ROWS = 27
_TEST = re.compile(r"`(tests/[\w/]+\.py::test_\w+)`")
_ROW = re.compile(r"::test_row_0?(\d+)_\w+")


def on_page() -> dict[int, list[str]]:
    """The tests that the page names, by row."""
    cells = [re.split(r" \| ", line.strip("| \n")) for line in PAGE.read_text().splitlines()]
    found = {int(row[0]): _TEST.findall(row[-1]) for row in cells if row[0].isdecimal()}
    assert list(found) == list(range(1, ROWS + 1))
    return found


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """Names of the tests that pytest finds in the files of the page and in this folder."""
    files = {name.partition("::")[0] for names in on_page().values() for name in names} | {"tests/faults"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *sorted(files)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout
    return {line.partition("[")[0] for line in told.splitlines() if "::" in line}


def missing(named: dict[int, list[str]], collected: set[str]) -> list[str]:
    """Tests that are named and not there."""
    return [name for names in named.values() for name in names if name not in collected]


def test_every_test_of_the_page_is_there(collected: set[str]) -> None:
    """Each row names a test of its own that pytest collects. Control: one that is not there is missed."""
    named = on_page()
    assert missing(named, collected) == []
    assert missing({1: ["tests/faults/test_runs.py::test_row_01_nothing"]}, collected) != []
    lacking = {row for row, names in named.items() if not any(row == number_of(name) for name in names)}
    assert lacking == set()


def test_every_row_test_is_on_the_page(collected: set[str]) -> None:
    """A test that is named after a row stands in that row."""
    rows = defaultdict(set)
    for name in collected:
        if number_of(name) is not None:
            rows[number_of(name)].add(name)
    named = on_page()
    assert {row: names - set(named[row]) for row, names in rows.items() if names - set(named[row])} == {}


def number_of(name: str) -> int | None:
    """The row that a test is named after."""
    found = _ROW.search(name)
    return int(found[1]) if found else None
