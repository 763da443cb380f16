"""The files of an energy report: what stands in them, whose text, and how they are written."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from energy_records import METER, file_record, paper_like
from power_traces import PHASES

from harness.cli.power_report import report as report_command
from harness.errors import BadInputError
from harness.report.energy_report import Report, make_report
from harness.report.figures import COLUMNS
from harness.report.files import write_files
from harness.report.sources import read_sources
from harness.report.tables import csv_columns
from power.energy import analyze
from power.trace_file import read_trace

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
HOSTILE = '</script><script>document.title="taken"</script><img src=x onerror=alert(1)>$\\frac{a}{b}$'


def made(folder: Path, **options: Any) -> Report:
    """A report of a folder, at one fixed time."""
    return make_report([folder], now=NOW, **options)


def test_the_report_does_not_lie_among_the_records(tmp_path: Path) -> None:
    """Proves that energy.json cannot land where the next reader would take it for a record."""
    path = file_record(tmp_path / "runs")
    with pytest.raises(BadInputError, match="holds the records"):
        make_report([path], out=tmp_path / "other" / ".." / "runs")
    assert made(tmp_path / "runs").folder == tmp_path / "runs" / "energy-report"
    assert make_report([path]).folder == tmp_path / "runs" / "energy-report"
    assert len(read_sources([tmp_path / "runs"])) == 1


def test_json_holds_each_energy_to_the_last_digit(tmp_path: Path) -> None:
    """Proves that energy.json is what `power.energy` makes of the trace, and its figures are those of the record."""
    path = file_record(tmp_path, frames=261)
    document = json.loads((made(tmp_path).folder / "energy.json").read_text())
    recording = read_trace(path.with_suffix(".power.csv"))
    again = analyze(recording.trace, recording.phases, recording.frames, pace=recording.pace).to_document()
    (one,) = document["systems"]
    assert one["energy"] == again
    assert one["energy"] != analyze(recording.trace, PHASES, 262, pace=recording.pace).to_document()
    recorded = json.loads(path.read_text())["metrics"]
    assert one["figures"] == {name: recorded[name] for name in one["figures"]}
    assert set(one["figures"]) == {name for one in COLUMNS for name in (one.metric, one.uncertainty) if name}


def test_csv_names_units_and_tells_where_each_figure_comes_from(tmp_path: Path) -> None:
    """Proves that the CSV's columns carry units, its head the provenance, and its figures every digit."""
    report = made(paper_like(tmp_path))
    lines = (report.folder / "energy.csv").read_text().splitlines()
    head = [line[2:].split(": ", 1) for line in lines if line.startswith("#")]
    assert [key for key, _ in head] == ["program", "generated_utc"] + ["system"] * 6
    assert json.loads(head[1][1]) == NOW.isoformat()
    for (_, value), system in zip(head[2:], report.document["systems"], strict=True):
        known = json.loads(value)
        assert known == {key: system[key] for key in known}
        assert len(known["record_sha256"]) == 64
    assert {"identity", "profile_sha256", "range_w", "k", "measured"} <= set(json.loads(head[2][1]))
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[len(head) :]))))
    assert list(rows[0]) == csv_columns()
    units = ("_w", "_j", "_per_inference", "_per_s", "_per_j", "_j_s", "_share")
    for column in COLUMNS:
        assert column.csv.endswith(units), column
        for name, metric in ((column.csv, column.metric), (column.u_csv, column.uncertainty)):
            if name:
                figures = [system["figures"].get(metric) for system in report.document["systems"]]
                assert [float(row[name]) if row[name] else None for row in rows] == figures
    assert [row["power"] for row in rows] == ["measured", "measured", "virtual", "virtual", "none", "measured"]
    assert [row["energy_verdict"] for row in rows][2::2] == ["INVALID", "no energy measured"]


def test_text_from_elsewhere_is_only_text(tmp_path: Path) -> None:
    """Proves that a target and an instrument that call themselves scripts write none, in page, SVG and CSV."""
    meter = replace(METER, identity=HOSTILE, name=HOSTILE, resource="a\nb\x00\x1b[2J")
    file_record(tmp_path, target=HOSTILE + "\x00\x1b\u202e", meter=meter)
    report = made(tmp_path, title=HOSTILE)
    page = report.page.read_text()
    assert "<script>document.title" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;document.title" in page
    assert page.count("<script") == page.count("</script>") == 4, "two programs and two specifications"
    for name in report.document["files"]:
        if name.endswith(".svg"):
            tree = ET.parse(report.folder / name)
            assert not [one for one in tree.iter() if one.tag.rpartition("}")[2] in ("script", "image", "a")]
    text = "".join(ET.parse(report.folder / report.document["files"][-1]).getroot().itertext())
    assert "\\frac{a}{b}" in text, "a formula is not set either"
    lines = (report.folder / "energy.csv").read_text().splitlines()
    assert sum(line.startswith("# ") for line in lines) == 3


def test_files_come_together_or_not_at_all(tmp_path: Path) -> None:
    """Proves that a file that cannot be written leaves the earlier ones as they were, and nothing half done."""
    write_files(tmp_path / "made", {"a": b"1", "b": b"2"})
    (tmp_path / "made" / "c").mkdir()
    with pytest.raises(BadInputError, match="is a folder"):
        write_files(tmp_path / "made", {"a": b"other", "c": b"3"})
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["a", "b", "c"]
    assert (tmp_path / "made" / "a").read_bytes() == b"1"
    (tmp_path / "file").touch()
    with pytest.raises(BadInputError, match="cannot be written"):
        write_files(tmp_path / "file", {"a": b""})


def test_figures_of_an_earlier_report_go_and_files_of_others_stay(tmp_path: Path) -> None:
    """Proves that a report leaves no plot of a record that it no longer has, and removes nothing else."""
    first = file_record(tmp_path, target="one")
    file_record(tmp_path, target="two", run="b" * 16)
    report = made(tmp_path)
    folder = report.folder
    (folder / "trace-mine.svg").touch()
    outside = tmp_path / "energy-outside.svg"
    outside.touch()
    document = json.loads((folder / "energy.json").read_text())
    document["files"] += ["../energy-outside.svg", 7]
    (folder / "energy.json").write_text(json.dumps(document))
    before = {path.name for path in folder.iterdir()}
    first.unlink()
    after = {path.name for path in made(tmp_path).folder.iterdir()}
    assert before - after == {f"trace-{first.stem}.svg"}
    assert outside.exists()
    assert "trace-mine.svg" in after


def test_the_command_says_where_and_fails_for_what_it_refused(tmp_path: Path) -> None:
    """Proves the output and exit codes of `power report`: 0 with an INVALID energy, 1 with a refused one."""
    paper_like(tmp_path)
    good = CliRunner().invoke(report_command, [str(tmp_path), "--title", "Bench"])
    assert good.exit_code == 0, good.output
    assert "alexnet on farm-5-local (5 devices): INVALID, virtual" in good.output
    assert f"energy report: {tmp_path / 'energy-report' / 'energy.html'}" in good.output
    shown = CliRunner().invoke(report_command, [str(tmp_path), "--json", "--out", str(tmp_path / "elsewhere")])
    assert json.loads(shown.output)["page"] == str(tmp_path / "elsewhere" / "energy.html")
    next(tmp_path.glob("*farm-6*.power.csv")).unlink()
    bad = CliRunner().invoke(report_command, [str(tmp_path)])
    assert bad.exit_code == 1
    assert "alexnet on farm-6-local (6 devices): REFUSED, virtual" in bad.output
