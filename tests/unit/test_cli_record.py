"""`iot-farm record`: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from energy_records import file_record

from benchmarks.audit.good_records import series
from harness.cli.record import record
from harness.errors import BadInputError, NotFoundError
from harness.records.canonical import canonical
from harness.records.index import INDEX_FILE, read_index
from harness.records.manifest import TRACE, beside, seal
from harness.records.schema import json_schema
from harness.records.store import read_record


def said(*arguments: object) -> Result:
    """What the command prints; its errors are raised as they are."""
    return CliRunner().invoke(record, [str(one) for one in arguments], catch_exceptions=False)


def raised(*arguments: object) -> BaseException | None:
    """The error that the command line would print as one line."""
    return CliRunner().invoke(record, [str(one) for one in arguments]).exception


def spoil(path: Path, **changes: object) -> None:
    """Edit a record and seal it anew."""
    files = {TRACE: beside(path, TRACE)} if beside(path, TRACE).exists() else {}
    path.write_bytes(canonical(seal({**read_record(path), **changes}, files)))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A good record with energy, in a folder of its own."""
    return file_record(tmp_path / "results", frames=30)


def test_a_good_record(good: Path) -> None:
    """A line for each rule, [x] where it is kept, [?] where it asks nothing; VALID and exit code 0."""
    done = said("check", good)
    assert done.exit_code == 0
    lines = done.output.splitlines()
    assert lines[0] == str(good)
    assert lines[-1] == "  VALID"
    assert all(line.startswith(("  [x] ", "  [?] ")) for line in lines[1:-1])
    assert any(line.startswith("  [x] energy") for line in lines)
    assert any(line.startswith("  [?] official") and "a quick run" in line for line in lines)


def test_a_bad_record(good: Path) -> None:
    """[ ] and why at the rule that is broken, INVALID with all reasons, exit code 1."""
    document = read_record(good)
    spoil(good, metrics={**document["metrics"], "ips": 99.0})
    done = said("check", good)
    assert done.exit_code == 1
    (broken,) = [line for line in done.output.splitlines() if line.startswith("  [ ] ")]
    assert broken.startswith(
        "  [ ] figures     every figure follows from the raw frames: ips is 99.0, the frames give 0.5"
    )
    assert done.output.splitlines()[-1].startswith("  INVALID(figures: ips is 99.0")


def test_an_incomplete_record(good: Path) -> None:
    """INCOMPLETE, why, exit code 1."""
    verdict = {"status": "INCOMPLETE", "reasons": [], "notes": [], "broken_off": "block2 is down"}
    spoil(good, verdict=verdict)
    done = said("check", good)
    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == "  INCOMPLETE(the run was broken off: block2 is down)"


def test_a_line_for_each_record(tmp_path: Path) -> None:
    """--quiet: status, path and the first reason; a folder brings its records and its own problems."""
    case = series(tmp_path)
    done = said("check", "--quiet", tmp_path)
    assert done.exit_code == 0
    assert len(done.output.splitlines()) == 3
    assert all(line.startswith("VALID      ") for line in done.output.splitlines())
    case.others[0].unlink()
    done = said("check", "--quiet", tmp_path)
    assert done.exit_code == 1, "each record is VALID, the folder is not"
    assert [line.split()[0] for line in done.output.splitlines()] == ["VALID", "VALID", *[f"{tmp_path}:"] * 2]
    assert "lacks run 1" in done.output
    assert "is in the index and not in the folder" in done.output


def test_json(good: Path) -> None:
    """One document: status, reasons, notes, figures and findings of each record, problems of each folder."""
    (good.parent / INDEX_FILE).unlink()
    done = said("check", "--json", good.parent)
    assert done.exit_code == 1
    told = json.loads(done.output)
    (one,) = told["records"]
    assert (one["path"], one["status"], one["reasons"]) == (str(good), "VALID", [])
    assert one["figures"]["frames_verified"] == 30
    assert {"rule": "seal", "title": "record and trace are as they were written", "passed": True, "detail": ""} in one[
        "findings"
    ]
    (problem,) = told["folders"][str(good.parent)]
    assert "is not in the index" in problem


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b[H[x] all is well\r\n  VALID", "\u202egnorw", "\x00", "x" * 5000, "\n" * 50]
)
def test_a_record_cannot_write_to_the_terminal(good: Path, text: str) -> None:
    """Control characters, line ends and very long texts of a record stay one line of plain letters."""
    spoil(good, verdict={"status": "INVALID", "reasons": [text], "notes": [], "broken_off": ""})
    for options in ((), ("--quiet",)):
        done = said("check", *options, good)
        assert done.exit_code == 1
        assert all(letter.isprintable() for line in done.output.split("\n") for letter in line)
        assert "VALID" not in [line.strip() for line in done.output.splitlines()]
        assert max(map(len, done.output.split("\n"))) <= 2001
    assert json.loads(said("check", "--json", good).output)["records"][0]["status"] == "INVALID"


def test_bad_input(tmp_path: Path, good: Path) -> None:
    """What is no record, not there, or an empty folder: one line each, with the code of bad input or not found."""
    other = tmp_path / "x.json"
    other.write_text('{"a": NaN}')
    error = raised("check", other)
    assert isinstance(error, BadInputError)
    assert "x.json is not a run record" in error.message
    assert error.exit_code == 2
    assert isinstance(raised("check", tmp_path / "nowhere.json"), BadInputError)
    (tmp_path / "empty").mkdir()
    error = raised("check", tmp_path / "empty")
    assert isinstance(error, NotFoundError)
    assert error.exit_code == 16
    assert said("check", good).exit_code == 0, "the control"


def test_every_path_is_judged(tmp_path: Path, good: Path) -> None:
    """What cannot be read has a line as the others have, none hides another, and the worst makes the exit code."""
    edited = file_record(tmp_path / "edited", frames=30, run="ee" * 8)
    spoil(edited, metrics={**read_record(edited)["metrics"], "ips": 99.0})
    nan = tmp_path / "nan.json"
    nan.write_text('{"a": NaN}')
    (tmp_path / "empty").mkdir()
    paths = (nan, tmp_path / "nowhere.json", tmp_path / "empty", good, edited)
    done = CliRunner().invoke(record, ["check", "--quiet", *map(str, paths)])
    assert [line.split()[0] for line in done.output.splitlines()] == [*["UNREADABLE"] * 3, "VALID", "INVALID"]
    assert all(str(path) in line for path, line in zip(paths, done.output.splitlines(), strict=True))
    assert isinstance(done.exception, BadInputError)
    assert done.exception.exit_code == 2
    assert "3 of 5 paths cannot be read" in done.exception.message
    done = CliRunner().invoke(record, ["check", "--json", *map(str, paths)])
    told = json.loads(done.stdout)["records"]
    assert [one["path"] for one in told] == [str(path) for path in paths]
    assert [one.get("status") for one in told] == [None, None, None, "VALID", "INVALID"]
    assert [set(one) for one in told[:3]] == [{"path", "problem"}] * 3
    assert isinstance(done.exception, BadInputError)
    assert said("check", "--quiet", good, edited).exit_code == 1, "the control: all can be read, one is not VALID"


def test_json_is_there_when_the_only_file_cannot_be_read(tmp_path: Path) -> None:
    """Standard output holds the document all the same; the error names the path as given, once, with a way out."""
    torn = tmp_path / "torn.json"
    torn.write_text('{"format": "ck-iot')
    done = CliRunner().invoke(record, ["check", "--json", str(torn)])
    (one,) = json.loads(done.stdout)["records"]
    assert isinstance(done.exception, BadInputError)
    assert one == {"path": str(torn), "problem": done.exception.message}
    assert done.exception.message.startswith(f"{torn} is not a run record: it is no JSON as records use it: ")
    assert done.exception.message.count("torn.json") == 1
    assert done.exception.hint
    with pytest.raises(BadInputError, match="not a run record: it is no JSON") as caught:
        read_record(torn)
    assert caught.value.message.count("torn.json") == 1
    assert caught.value.hint == "take the original again, or repeat the run"


def test_without_a_path_the_results_are_checked(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder where runs go, as for the scoreboard; where there is none, that is said."""
    monkeypatch.setenv("IOT_FARM_RESULTS", str(good.parent))
    done = said("check", "--quiet")
    assert (done.exit_code, done.output) == (0, f"VALID      {good}\n")
    monkeypatch.setenv("IOT_FARM_RESULTS", str(good.parent / "nowhere"))
    error = raised("check")
    assert isinstance(error, NotFoundError)
    assert "no record in" in error.message
    assert "IOT_FARM_RESULTS" in said("check", "--help").output


def test_the_index_is_made_anew(good: Path) -> None:
    """From the records; the former one is kept; what is no record is left out and named, with exit code 1."""
    folder = good.parent
    (folder / INDEX_FILE).write_text("torn")
    done = said("index", folder)
    assert done.exit_code == 0
    assert "1 records; the former index is " in done.output
    assert ([line.file for line in read_index(folder)[0]], read_index(folder)[1]) == ([good.name], ())
    assert said("check", "--quiet", folder).exit_code == 0
    (folder / "x.json").write_text("{")
    done = said("index", folder)
    assert done.exit_code == 1
    assert "left out: " in done.output
    assert [line.file for line in read_index(folder)[0]] == [good.name]
    assert said("index", folder / "nowhere").exit_code == 2


def test_the_schema() -> None:
    """JSON Schema of the present version."""
    assert json.loads(said("schema").output) == json_schema()
