"""`iot-farm compare` at the terminal: what people type, what they read, and what they are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from energy_records import VIRTUAL_METER, file_record
from power_traces import measurement

from harness.cli.compare import compare
from harness.errors import BadInputError, NotFoundError, UserError
from harness.records.contestants import read_systems
from harness.records.record import Verdict


def said(*arguments: object) -> str:
    """What the command prints; a refusal is raised."""
    done = CliRunner().invoke(compare, [str(argument) for argument in arguments])
    if isinstance(done.exception, UserError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two measured runs of AlexNet; the second does half as many frames in the same minute."""
    fast = file_record(tmp_path / "a", frames=300, run="aa" * 8)
    return fast, file_record(tmp_path / "b", frames=150, run="bb" * 8, target="farm-6-local", devices=6)


def test_two_records_at_the_terminal(pair: tuple[Path, Path]) -> None:
    """Ratio and sentence for each metric; swapped, the control, the words swap too."""
    text = said(*pair)
    assert "alexnet on farm-6-local (6 devices): 2.0" in text
    assert "times slower than alexnet on farm-5-local (5 devices)" in text
    assert "times more than" in text
    assert "one run each" in text
    swapped = said(pair[1], pair[0])
    assert "times faster than alexnet on farm-6-local (6 devices)" in swapped
    assert "times less than" in swapped


def test_the_reference_may_be_any(pair: tuple[Path, Path]) -> None:
    """`--reference` names one of the systems, or one more."""
    for arguments in ((*pair, "--reference", pair[1]), (pair[0], "--reference", pair[1])):
        document = json.loads(said(*arguments, "--json", "--metric", "ips"))
        rows = {row["system"].split()[2]: row for row in document["metrics"]["ips"]}
        assert document["reference"].startswith("alexnet on farm-6-local")
        assert rows["farm-6-local"]["ratio"] is None
        assert rows["farm-5-local"]["ratio"] == pytest.approx(2.0)
        assert rows["farm-5-local"]["different"] is True


def test_the_document_is_json_and_the_same_each_time(pair: tuple[Path, Path]) -> None:
    """One JSON document, equal for equal records; the ratio lies in its interval."""
    text = said(*pair, "--json")
    assert text == said(*pair, "--json")
    document = json.loads(text)
    assert list(document["metrics"]) == ["ips", "latency_p50_s", "energy_total_j"]
    for rows in document["metrics"].values():
        assert rows[1]["ratio_low"] <= rows[1]["ratio"] <= rows[1]["ratio_high"]


def test_repetitions_in_folders(tmp_path: Path) -> None:
    """A folder is one system; three runs each rest on the runs, and the line on single runs is gone."""
    for at, frames in enumerate((300, 303, 298)):
        file_record(
            tmp_path / "before", frames=frames, run=f"{at}a" * 8, started_utc=f"2026-02-0{at + 1}T00:00:00+00:00"
        )
        file_record(
            tmp_path / "after", frames=frames + 60, run=f"{at}b" * 8, started_utc=f"2026-02-0{at + 1}T00:00:00+00:00"
        )
    document = json.loads(said(tmp_path / "before", tmp_path / "after", "--metric", "ips", "--json"))
    assert [row["basis"] for row in document["metrics"]["ips"]] == ["3 runs", "3 runs"]
    assert document["warnings"] == []
    assert [row["system"].rpartition(", ")[2] for row in document["metrics"]["ips"]] == ["before", "after"]
    assert document["metrics"]["ips"][1]["ratio"] == pytest.approx(1.2, rel=0.01)


def test_a_folder_of_several_systems_is_refused(tmp_path: Path) -> None:
    """They are no repetitions of each other; the message names them."""
    for at, target in enumerate(("farm-5-local", "farm-6-local")):
        file_record(tmp_path / "mixed", target=target, run=f"{at}c" * 8)
    with pytest.raises(BadInputError, match="2 systems: alexnet on farm-5-local") as caught:
        said(tmp_path / "mixed", tmp_path / "mixed")
    assert caught.value.exit_code == 2


def test_what_is_not_there_or_no_record(tmp_path: Path) -> None:
    """A missing path, an empty folder and a file that is no record end with one line."""
    good = file_record(tmp_path / "good")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(NotFoundError, match="there is no"):
        said(good, tmp_path / "nothing.json")
    with pytest.raises(NotFoundError, match="no record in"):
        said(good, tmp_path / "empty")
    with pytest.raises(BadInputError, match="not a run record"):
        said(good, tmp_path / "other.json")
    assert CliRunner().invoke(compare, [str(good), str(good), "--json", "--markdown"]).exit_code == 2


def test_virtual_beside_measured(tmp_path: Path) -> None:
    """The speeds are compared, the energies are not; asked for, it is an error."""
    measured = file_record(tmp_path / "a", run="aa" * 8)
    virtual = file_record(tmp_path / "b", run="bb" * 8, meter=VIRTUAL_METER)
    text = said(measured, virtual)
    assert "measured energy and virtual energy are never compared" in text
    assert "energy per frame (J)" not in text
    with pytest.raises(BadInputError, match="never compared"):
        said(measured, virtual, "--metric", "energy_total_j")


def test_invalid_runs_need_all(tmp_path: Path) -> None:
    """An INVALID run is refused with its reason; `--all` compares it and says what it is."""
    good = file_record(tmp_path / "a", run="aa" * 8)
    bad = file_record(tmp_path / "b", run="bb" * 8, verdict=Verdict(reasons=("a frame came back twice",)))
    with pytest.raises(BadInputError, match="a frame came back twice") as caught:
        said(good, bad)
    assert "--all" in caught.value.hint
    assert "is INVALID, its figures must not be used: the run itself: a frame came back twice" in said(
        good, bad, "--all"
    )


def test_a_flattered_record_is_not_believed(tmp_path: Path) -> None:
    """A typed-in speed makes a run INVALID, a typed-in energy is gone; raw frames give the true ratio all the same."""
    good = file_record(tmp_path / "a", run="aa" * 8)
    bad = file_record(tmp_path / "b", run="bb" * 8)
    document = json.loads(bad.read_text())
    document["metrics"]["ips"] *= 2
    document["energy"]["total_j_per_frame"] /= 2
    bad.write_text(json.dumps(document))
    with pytest.raises(BadInputError, match="INVALID"):
        said(good, bad)
    with pytest.raises(BadInputError, match="no energy per frame"):
        said(good, bad, "--all", "--metric", "energy_total_j")
    assert json.loads(said(good, bad, "--all", "--metric", "ips", "--json"))["metrics"]["ips"][1]["ratio"] == 1.0


HOSTILE = ["[bold red]x[/]", "\x1b[31mred\x1b[0m", "a|b", "<script>alert(1)</script>", "line\nbreak", "\u202egnp.exe"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_records_are_text(tmp_path: Path, name: str) -> None:
    """Markup, control characters and table separators in a target's name reach the reader as text, on one line."""
    records = [
        file_record(tmp_path / "a", run="aa" * 8, meter=None),
        file_record(tmp_path / "b", run="bb" * 8, meter=None, target=name),
    ]
    for options in ((), ("--markdown",), ("--json",)):
        text = said(*records, *options)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "line\nbreak" not in text
    markdown = said(*records, "--markdown")
    assert "<script" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("| alexnet")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
    if name == HOSTILE[0]:
        assert name in said(*records)


def test_labels_always_differ(tmp_path: Path) -> None:
    """Two runs of one system, even of names that begin alike, are told apart."""
    record = file_record(tmp_path / "a", run="0123456789abcdef")
    again = file_record(tmp_path / "b", run="01234567ffffffff", started_utc="2026-03-03T04:05:06.789+00:00")
    for paths in ((record, again), (tmp_path / "a", tmp_path / "b")):
        labels = [system.label for system in read_systems(paths)]
        assert len(set(labels)) == 2


def test_one_run_is_not_two_systems(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """A record or folder named twice, a copy, and a run twice in a folder are refused in one line; two runs are not."""
    one, other = pair
    copy = tmp_path / "copy" / "copy.json"
    copy.parent.mkdir()
    for suffix in (".json", ".power.csv"):
        copy.with_suffix(suffix).write_bytes(one.with_suffix(suffix).read_bytes())
    again = one.parent / ".." / one.parent.name
    for paths, told in (
        ((one, one), "is named twice"),
        ((one.parent, again), "is named twice"),
        ((one, other, one), "is named twice"),
        ((one, copy), "one and the same run"),
        ((one.parent, copy), "one and the same run"),
    ):
        for options in ((), ("--all",)):
            with pytest.raises(BadInputError, match=told) as caught:
                said(*paths, *options)
            assert "\n" not in caught.value.message
            assert caught.value.hint
    (one.parent / "twice.json").write_bytes(one.read_bytes())
    (one.parent / "twice.power.csv").write_bytes(one.with_suffix(".power.csv").read_bytes())
    with pytest.raises(BadInputError, match="holds the run aaaaaaaaaaaaaaaa twice"):
        said(one.parent, other)
    assert "times slower" in said(one, other), "the control"


def test_a_file_of_another_kind_hears_what_is_taken(tmp_path: Path) -> None:
    """No one is told to move a file that is no record; a torn record hears how to get it back."""
    good = file_record(tmp_path / "good")
    archive = tmp_path / "x.zip"
    archive.write_bytes(b"PK\x03\x04\xff")
    torn = tmp_path / "torn.json"
    torn.write_text("{")
    for other, hint in ((archive, "name records (*.json), or folders"), (torn, "take the original again")):
        with pytest.raises(BadInputError, match="is not a run record: it is no") as caught:
            said(good, other)
        assert hint in caught.value.hint
        assert "move" not in caught.value.hint
        assert caught.value.message.count(other.name) == 1


def broken(**changes: Any) -> dict[str, Any]:
    """Changes of a record that leave it JSON of the right layout, with nonsense inside."""
    return changes


@pytest.mark.parametrize(
    "changes",
    [
        broken(frames=7),
        broken(frames=[1, 2]),
        broken(frames=[{"frame": 1}]),
        broken(frames=[{"frame": 1, "sent_s": "x", "verified_s": 1, "error": 0}]),
        broken(target={"name": "a", "kind": "farm", "devices": "many"}),
    ],
)
def test_nonsense_in_a_record_ends_with_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A record whose values have no form is refused by name, never with a traceback."""
    good = file_record(tmp_path / "a", meter=None)
    bad = file_record(tmp_path / "b", meter=None)
    bad.write_text(json.dumps({**json.loads(bad.read_text()), **changes}))
    with pytest.raises(UserError, match="b/") as caught:
        said(good, bad)
    assert "\n" not in caught.value.message


def test_a_difference_within_the_meters_error_is_none(tmp_path: Path) -> None:
    """Two traces of other noise: no difference in energy; half as many frames for the same power: twice the energy."""
    paths = [
        file_record(tmp_path / name, run=f"{name}1" * 8, trace=measurement(seed=at)) for at, name in enumerate("ab")
    ]
    paths.append(file_record(tmp_path / "c", run="c1" * 8, frames=150))
    rows = json.loads(said(*paths, "--metric", "energy_total_j", "--json"))["metrics"]["energy_total_j"]
    assert rows[1]["different"] is False
    assert rows[1]["ratio"] != 1.0
    assert rows[2]["different"] is True
    assert rows[2]["ratio"] == pytest.approx(2.0, rel=0.01)
