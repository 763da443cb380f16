"""Records: written whole or not at all, read only when they are records, and good enough to count again."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_records import run_record

from harness.errors import BadInputError
from harness.records.environment import UNKNOWN, _read, _revision, environment
from harness.records.manifest import seal
from harness.records.record import FORMAT, VERSION, FrameSample, Record, Verdict
from harness.records.store import (
    read_record,
    read_records,
    require_writable,
    results_folder,
    write_document,
    write_record,
)
from harness.records.window import window_metrics

ROOT = Path(__file__).parents[2]
SAMPLES = tuple(FrameSample(frame, frame % 8, 0.1 * frame, 0.1 * frame + 0.3, 1, 2e-8) for frame in range(20))


def record(**changes: Any) -> Record:
    """A record of a good run."""
    made = run_record(frames=SAMPLES, verdict=Verdict(notes=("quick run",)))
    return replace(made, **changes)


def spoilt(**changes: Any) -> str:
    """The text of a good record in which some keys have another value, or none (`...`)."""
    document = {**seal(record().to_document()), **changes}
    return json.dumps({key: value for key, value in document.items() if value is not ...})


# Round trip

samples = st.builds(
    FrameSample,
    st.integers(0, 10**9),
    st.integers(0, 63),
    st.floats(0, 1e6),
    st.none() | st.floats(1e-9, 1e6),  # a clock counts nanoseconds
    st.integers(0, 9),
    st.none() | st.floats(0, 1),
)


@given(st.lists(samples, max_size=20).map(tuple), st.text(max_size=30), st.text(max_size=30))
def test_a_record_comes_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, frames: tuple[FrameSample, ...], target: str, reason: str
) -> None:
    """Every value survives the file to the last bit, whatever the target is called."""
    written = record(
        frames=frames,
        metrics=window_metrics(frames),
        target={"name": target, "kind": "host", "devices": 1, "device": "cpu"},
        verdict=Verdict(reasons=(reason,)),
    )
    folder = tmp_path_factory.mktemp("round")
    path = write_record(written, folder)
    assert path.parent == folder
    read = read_record(path)
    manifest = read.pop("manifest")
    assert manifest["files"] == {}
    assert read == json.loads(json.dumps(written.to_document()))
    assert tuple(FrameSample(**sample) for sample in read["frames"]) == frames
    assert window_metrics(tuple(FrameSample(**sample) for sample in read["frames"])) == read["metrics"]
    assert (read["format"], read["version"], read["measured"]) == (FORMAT, VERSION, True)
    assert read["verdict"] == {"status": "INVALID", "reasons": [reason], "notes": [], "broken_off": ""}


def test_records_are_read_oldest_first(tmp_path: Path) -> None:
    """The order is that of the start times, not of writing, models or targets."""
    starts = [
        "2026-02-03T04:05:06.789+00:00",
        "2025-12-31T23:59:59.999+00:00",
        "2026-02-03T04:05:06.790+00:00",
    ]
    for start, name in zip(starts, ("b", "z", "a"), strict=True):
        write_record(record(started_utc=start, target={"name": name, "kind": "farm", "devices": 5}), tmp_path)
    assert [document["target"]["name"] for _, document in read_records(tmp_path)] == ["z", "b", "a"]
    assert read_records(tmp_path / "nowhere") == []


def test_two_runs_never_share_a_file(tmp_path: Path) -> None:
    """Runs that start in the same millisecond on the same target differ by their identity."""
    first = write_record(record(), tmp_path)
    second = write_record(record(run="fedcba9876543210"), tmp_path)
    assert first != second
    assert len(read_records(tmp_path)) == 2


def test_a_long_name_loses_no_record(tmp_path: Path) -> None:
    """A target whose name is as long as a file name may be still gets its record, under a shorter one."""
    name = "\u00fc" * 250
    write_record(record(target={"name": name, "kind": "farm", "devices": 5}), tmp_path)
    ((_, document),) = read_records(tmp_path)
    assert document["target"]["name"] == name


def test_the_folder_of_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$IOT_FARM_RESULTS, else ./results."""
    monkeypatch.setenv("IOT_FARM_RESULTS", str(tmp_path))
    assert results_folder() == tmp_path
    monkeypatch.setenv("IOT_FARM_RESULTS", "")
    assert results_folder() == Path("results")


# What is refused


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_not_written(tmp_path: Path, number: float) -> None:
    """NaN and infinity are no JSON: nothing is written, not even the folder."""
    folder = tmp_path / "results"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_record(record(metrics={"ips": number}), folder)
    assert not folder.exists()
    write_record(record(metrics={"ips": 1.0}), folder)
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".jsonl"], "the record and the index"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Expecting value"),
        ("{", "is not a run record"),
        ("[]", 'its "format" is not "ck-iot-farm run"'),
        ('{"ips": 1}', 'its "format" is not "ck-iot-farm run"'),
        ("[" * 100_000, "is not a run record"),
        ("\x00\x01", "is not a run record"),
        (spoilt(format="another run"), 'its "format" is not "ck-iot-farm run"'),
        (spoilt(version=3), "is a run record of version 3"),
        (spoilt(version=...), "is a run record of version None"),
        (spoilt(frames=...), "lacks frames"),
        (spoilt(metrics=...), "lacks metrics"),
        (spoilt(target={"name": "x"}), "lacks target.kind"),
        (spoilt(model=[]), "lacks model.name"),
        (spoilt(verdict={"status": "VALID", "notes": []}), "lacks verdict.reasons"),
        (spoilt(metrics={"ips": math.nan}), "NaN is no number"),
        (spoilt(metrics={"ips": -math.inf}), "-Infinity is no number"),
        (spoilt().replace('"tolerance": 1e-06', '"tolerance": 1e999'), "1e999 is no number"),
        (spoilt()[:-1], "is not a run record"),
    ],
)
def test_a_file_that_is_no_record_is_named(tmp_path: Path, text: str, told: str) -> None:
    """Damaged, foreign, newer and incomplete files are named with what is wrong, and the way out."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(BadInputError) as caught:
        read_records(tmp_path)
    assert str(path) in caught.value.message
    assert told in caught.value.message
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.hint
    path.write_text(spoilt())
    assert len(read_records(tmp_path)) == 1, "the control: the untouched record is read"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder called like a record, a missing file, and bytes that are no text."""
    (tmp_path / "x.json").mkdir()
    with pytest.raises(BadInputError, match=r"x\.json cannot be read: Is a directory"):
        read_records(tmp_path)
    with pytest.raises(BadInputError, match="cannot be read: No such file"):
        read_record(tmp_path / "y.json")
    (tmp_path / "z.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match="is not UTF-8 at byte 0"):
        read_record(tmp_path / "z.json")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be gives one line, and stays as it is."""
    (tmp_path / "results").write_text("mine")
    for attempt in (require_writable, lambda folder: write_record(record(), folder)):
        for folder in ("results", "results/below", "x" * 300):
            with pytest.raises(BadInputError, match="cannot be written") as caught:
                attempt(tmp_path / folder)
            assert caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    assert (tmp_path / "results").read_text() == "mine"
    require_writable(tmp_path / "new" / "below")
    assert not (tmp_path / "new").exists()


# A writer that dies

WRITER = """
import json, os, signal, sys
from pathlib import Path
from harness.records.store import write_document

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

document = json.loads(sys.stdin.read())
path, moment = Path(sys.argv[1]), sys.argv[2]
if moment == "plain":
    with path.open("w") as stream:
        text = json.dumps(document)
        stream.write(text[: len(text) // 2])
        stream.flush()
        die()
calls = 0
really = getattr(os, moment.partition(" ")[0])
def counted(*arguments, **options):
    global calls
    calls += 1
    if calls == int(moment.partition(" ")[2]):
        die()
    return really(*arguments, **options)
setattr(os, moment.partition(" ")[0], counted)
write_document(path, document)
"""


def write_and_die(path: Path, document: dict[str, Any], moment: str) -> None:
    """Write a document in a process that is killed at a moment: before the n-th call of a function of `os`."""
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITER, str(path), moment]
    ended = subprocess.run(command, input=json.dumps(document), text=True, env=environ, check=False)
    assert ended.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("moment", "new"),
    [("fdopen 1", False), ("fsync 1", False), ("chmod 1", False), ("replace 1", False), ("fsync 2", True)],
)
def test_a_killed_writer_leaves_the_old_record_or_the_new_one(tmp_path: Path, moment: str, new: bool) -> None:
    """Whenever SIGKILL comes, a reader sees the whole old file or the whole new one, and never a temporary one."""
    path = tmp_path / "record.json"
    write_document(path, seal(record().to_document()))
    write_and_die(path, seal(record(run="new").to_document()), moment)
    ((found, document),) = read_records(tmp_path)
    assert found == path
    assert document["run"] == ("new" if new else record().run)
    left = [other for other in tmp_path.iterdir() if other != path]
    assert len(left) == (0 if new else 1), "the moment was before the rename, and the temporary file is not read"
    write_document(path, seal(record(run="later").to_document()))
    assert read_record(path)["run"] == "later"


def test_a_plain_writer_that_is_killed_leaves_half_a_record(tmp_path: Path) -> None:
    """The control: open, write and die gives a file that the same reader refuses."""
    path = tmp_path / "record.json"
    write_document(path, seal(record().to_document()))
    write_and_die(path, record(run="new").to_document(), "plain")
    with pytest.raises(BadInputError, match="is not a run record"):
        read_records(tmp_path)


# The machine


def test_what_is_not_known_of_the_machine_is_called_unknown(tmp_path: Path) -> None:
    """A missing, empty or unreadable file of the system gives "unknown", and everything fits into JSON."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "odd").write_bytes(b"\xff")
    (tmp_path / "good").write_text("performance\n")
    assert [_read(tmp_path / name) for name in ("missing", "empty", "odd", "good")] == [
        *[UNKNOWN] * 3,
        "performance",
    ]
    told = environment()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["cores"] >= 1
    assert told["packages"]["numpy"]
    assert all(value is not None and value != "" for value in told.values())


def test_the_revision_is_that_of_our_own_checkout(tmp_path: Path) -> None:
    """A package that was installed inside another project's checkout does not take over its revision."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y.invalid"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "first"], check=True)
    (tmp_path / "site-packages").mkdir()
    assert len(_revision(tmp_path)) == 12
    assert _revision(tmp_path / "site-packages") == UNKNOWN
