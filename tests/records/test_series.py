"""Official series: three runs of a minute, all there, all VALID, all of one system."""

import copy
from pathlib import Path
from typing import Any

import pytest

from benchmarks.audit.good_records import series
from harness.errors import NotFoundError
from harness.records.check import Audit, check_file
from harness.records.folder_check import check_folder, repeated_problems, series_problems
from harness.records.record import OFFICIAL_RUNS, OFFICIAL_S
from harness.records.store import read_record

Documents = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one good series."""
    return series(tmp_path_factory.mktemp("series")).folder


@pytest.fixture
def held(good: Path) -> tuple[Documents, dict[str, Audit]]:
    """Its records and what is said of each."""
    documents = {path.name: read_record(path) for path in sorted(good.glob("*.json"))}
    return documents, {name: check_file(good / name) for name in documents}


def test_a_good_series_passes(good: Path) -> None:
    """Three runs of a minute each: VALID, and the folder has no problem."""
    found = check_folder(good)
    assert len(found.audits) == OFFICIAL_RUNS
    assert found.problems == ()
    for audit in found.audits.values():
        assert audit.status == "VALID"
        assert audit.figures["window_s"] >= OFFICIAL_S
        assert {finding.rule: finding.passed for finding in audit.findings}["official"] is True


def test_another_series_beside_it_is_another_one(held: tuple[Documents, dict[str, Audit]]) -> None:
    """Runs are put together by the name of their series alone; quick runs belong to none."""
    documents, audits = held
    other = {f"x{name}": copy.deepcopy(document) for name, document in documents.items()}
    for document in other.values():
        document["series"]["id"] = "0" * 16
        document["target"]["name"] = "another farm"
    assert series_problems(documents | other, audits) == []
    one = copy.deepcopy(next(iter(documents.values()))) | {"kind": "quick", "series": None}
    assert series_problems({"quick.json": one}, {}) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda docs: docs.popitem(), "lacks run 3"),
        (lambda docs: [docs.popitem(), docs.popitem()], "lacks run 2, 3"),
        (lambda docs: docs[max(docs)]["series"].update(number=2), "has a run twice"),
        (lambda docs: docs[max(docs)]["series"].update(of=5), "lacks run 4, 5"),
        (lambda docs: docs[max(docs)]["model"].update(fingerprint="beef"), "holds runs of another model"),
        (lambda docs: docs[max(docs)]["target"].update(devices=6), "holds runs of another target"),
        (lambda docs: docs[max(docs)]["options"].update(in_flight=1), "asked for with other options"),
        (lambda docs: docs[max(docs)].update(emulated="rpi3"), "asked for with other options"),
    ],
)
def test_what_is_no_series(held: tuple[Documents, dict[str, Audit]], change: Any, told: str) -> None:
    """A run lost, twice, of another system or with another load: one sentence that names a record."""
    documents, audits = copy.deepcopy(held[0]), held[1]
    assert series_problems(documents, audits) == [], "the control"
    change(documents)
    problems = series_problems(documents, audits)
    assert any(told in problem for problem in problems), problems
    assert all(min(documents) in problem for problem in problems)


def test_a_run_that_is_not_valid_spoils_its_series(held: tuple[Documents, dict[str, Audit]]) -> None:
    """It is named."""
    documents, audits = held
    last = max(documents)
    audits[last] = Audit(status=type(audits[last].status).INVALID, findings=(), reasons=("slow",), notes=(), figures={})
    (problem,) = series_problems(documents, audits)
    assert problem.endswith(f"holds a run that is not VALID: {last}")


def test_one_run_under_three_names(held: tuple[Documents, dict[str, Audit]]) -> None:
    """No two runs have the same times to the last bit; runs without frames are alike and mean nothing."""
    documents, _ = held
    assert repeated_problems(documents) == [], "the control"
    first, second, _ = sorted(documents)
    twin = {**documents[second], "frames": documents[first]["frames"]}
    assert repeated_problems({**documents, second: twin}) == [f"{second} holds the times of {first}, to the last bit"]
    assert repeated_problems({name: {**found, "frames": []} for name, found in documents.items()}) == []


def test_a_folder_without_records(tmp_path: Path) -> None:
    """Nothing to check is an error of its own; a file that is no record is a problem of the folder."""
    with pytest.raises(NotFoundError, match="there is no record in"):
        check_folder(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "d.json").mkdir()
    found = check_folder(tmp_path)
    assert found.audits == {}
    assert len(found.problems) == 2
