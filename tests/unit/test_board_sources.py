"""From files to rows: records, folders, entries and archives, and what cannot be read."""

import json
from pathlib import Path

import pytest
from board.archives import members_of, packed
from click.testing import CliRunner
from energy_records import file_record, paper_like

from harness.board.sources import collect
from harness.cli.app import cli
from harness.errors import BadInputError, NotFoundError
from harness.records.published import published_folder


def test_a_folder_of_records_becomes_rows(tmp_path: Path) -> None:
    """Proves that every record of a folder is checked and shown once, beside the published figures."""
    folder = paper_like(tmp_path / "runs")
    made = collect([folder, *sorted(folder.glob("*.json"))])
    assert made.problems == ()
    runs = [row for row in made.rows if row.origin == "run"]
    assert (len(runs), len(made.rows)) == (6, 6 + 18)
    assert made.folders == {folder.resolve()}
    for one in made.found:
        if one.row.origin == "run":
            assert one.detail.findings, "its checks are there"
            assert one.detail.frames is not None
    assert sum(one.detail.power is not None for one in made.found) == 5
    assert [row for row in collect([folder], published=False).rows if row.origin == "published"] == []


def test_a_changed_figure_is_not_shown(tmp_path: Path) -> None:
    """Proves that a figure that somebody typed into a record stands on no row, and that the row says why."""
    path = file_record(tmp_path / "runs", meter=None)
    honest = collect([path], published=False).rows[0]
    content = json.loads(path.read_text())
    content["metrics"]["ips"] *= 2
    path.write_text(json.dumps(content))
    (row,) = collect([path], published=False).rows
    assert row.verdict == "INVALID"
    assert row.reasons
    assert row.figures.get("ips") != content["metrics"]["ips"]
    assert honest.figures["ips"] == pytest.approx(5.0)


def test_what_cannot_be_read_is_named_and_the_rest_shown(tmp_path: Path) -> None:
    """Proves that a half file, a foreign one and a broken archive are problems in one line each, without a folder."""
    folder = tmp_path / "runs"
    path = file_record(folder, meter=None)
    (folder / "half.json").write_bytes(path.read_bytes()[:100])
    (folder / "other.json").write_text("{}")
    (folder / "twice.json").write_text('{"format": 1, "format": 2}')
    (folder / "folder.json").mkdir()
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no archive")
    made = collect([folder, tmp_path / "bad.zip"], published=False)
    assert len(made.rows) == 1
    assert len(made.problems) == 5
    for name in ("half.json", "other.json", "twice.json", "folder.json", "bad.zip"):
        assert sum(name in problem for problem in made.problems) == 1, made.problems
    assert not [problem for problem in made.problems if str(tmp_path) in problem]
    assert len(made.told) == 5
    for path in (*(folder / f"{stem}.json" for stem in ("half", "other", "twice", "folder")), tmp_path / "bad.zip"):
        assert sum(problem.count(str(path)) for problem in made.told) == 1, made.told
    assert made.barren == (tmp_path / "bad.zip",)
    with pytest.raises(NotFoundError, match="there is no"):
        collect([tmp_path / "nowhere"])


def test_the_published_repository_may_be_named(tmp_path: Path) -> None:
    """Proves that the repository of published figures is a source, and that an entry without records is named."""
    assert len(collect([published_folder()], published=False).rows) == 18
    entry = tmp_path / "experiment" / "empty"
    (entry / ".cm").mkdir(parents=True)
    (entry / ".cm" / "meta.json").write_text("{}")
    (entry / "desc.json").write_text("{}")
    made = collect([tmp_path], published=False)
    assert made.rows == []
    assert made.problems
    assert "empty" in made.problems[-1]


def test_records_in_an_entry_are_rows(tmp_path: Path) -> None:
    """Proves that the raw records that travel inside a CK entry are found there."""
    entry = tmp_path / "experiment" / "ours"
    (entry / ".cm").mkdir(parents=True)
    (entry / ".cm" / "meta.json").write_text("{}")
    file_record(entry / "iot-farm", meter=None)
    # An index of a results folder is none of an entry.
    (entry / "iot-farm" / "index.jsonl").unlink(missing_ok=True)
    for source in (tmp_path, entry):
        made = collect([source], published=False)
        assert (len(made.rows), made.problems) == (1, ())


def test_the_command_builds_and_tells(tmp_path: Path) -> None:
    """Proves that `scoreboard build` writes the pages, counts the rows and names what it could not read."""
    folder = paper_like(tmp_path / "runs")
    (folder / "bad.json").write_text("no")
    out = tmp_path / "board"
    done = CliRunner().invoke(cli, ["scoreboard", "build", str(folder), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["page"] == str(out / "index.html")
    assert sum(told["rows"].values()) == 6 + 18
    assert len(told["problems"]) == 1
    assert all((out / name).is_file() for name in told["files"])
    done = CliRunner().invoke(
        cli, ["scoreboard", "build", str(folder), "--out", str(out), "--all", "--title", "<b>mine"]
    )
    assert done.exit_code == 0, done.output
    assert "bad.json" in done.stderr
    assert done.stdout.splitlines()[-1] == f"scoreboard: {out / 'index.html'}"
    page = (out / "index.html").read_text()
    assert 'id="others" checked' in page
    assert "&lt;b&gt;mine" in page
    assert CliRunner().invoke(cli, ["scoreboard", "--help"]).exit_code == 0


def test_paths_are_told_as_they_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that relative paths come back as they were typed, on the page without folders, and no dot is lost."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in (Path("half.json"), Path("runs/torn.json")):
        path.write_text("{")
    made = collect([Path("half.json"), Path("runs")], published=False)
    assert [problem.split(" is not ")[0] for problem in made.told] == ["half.json", "runs/torn.json"]
    assert [problem.split(" is not ")[0] for problem in made.problems] == ["half.json", "torn.json"]
    assert made.barren == (Path("half.json"), Path("runs"))
    made = collect([Path()], published=False)
    assert [problem.split(" is not ")[0] for problem in made.told] == ["half.json"]


def test_a_file_in_an_archive_is_told_by_the_archive(tmp_path: Path) -> None:
    """Proves that a torn record in a zip is named with the zip that was given, and never with a temporary folder."""
    archive = tmp_path / "in.zip"
    archive.write_bytes(packed(members_of("ours", {"torn.json": b"{"})))
    made = collect([archive], published=False)
    (told,) = made.told
    assert told.startswith(f"{archive}: experiment/ours/iot-farm/torn.json is not a run record")
    assert made.problems[0].startswith("torn.json is not a run record")
    assert made.barren == (archive,)


def test_sources_without_a_record_end_with_1(tmp_path: Path) -> None:
    """Proves that each named source that gives no row is told, and that exit code 1 is kept for when all are such."""
    runs, out, empty = paper_like(tmp_path / "runs"), tmp_path / "board", tmp_path / "empty"
    empty.mkdir()
    typed = ["scoreboard", "build", "--out", str(out)]
    for options in ([], ["--json"]):
        done = CliRunner().invoke(cli, [*typed, *options, str(empty)])
        assert done.exit_code == 1
        assert done.stderr == f"no record that can be shown: {empty}\n"
        assert (out / "index.html").is_file(), "the published rows are written"
    assert json.loads(done.stdout)["without_record"] == [str(empty)]
    done = CliRunner().invoke(cli, [*typed, str(empty), str(runs)])
    assert (done.exit_code, done.stderr) == (0, f"no record that can be shown: {empty}\n")
    done = CliRunner().invoke(cli, [*typed, str(runs), str(next(runs.glob("*.json")))])
    assert (done.exit_code, done.stderr) == (0, ""), "the control: a row that two sources give counts for both"
    done = CliRunner().invoke(cli, typed, env={"IOT_FARM_RESULTS": str(empty)})
    assert (done.exit_code, done.stderr) == (0, ""), "the control: nothing was named"


@pytest.mark.parametrize("typed", [[""], ["runs", ""], ["--out", ""], ["--out="]])
def test_an_empty_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> None:
    """Proves that an empty text means no folder, not the one where the user stands, and that nothing is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    done = CliRunner().invoke(cli, ["scoreboard", "build", *typed])
    assert isinstance(done.exception, BadInputError)
    assert "is empty" in done.exception.message
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
