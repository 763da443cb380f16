"""The reader and the writer of CK experiment entries; tests/ck lets real ck read what is written here."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time

import pytest

from harness.errors import BadInputError, NotFoundError
from harness.records.entries import entry as reader
from harness.records.entries.entry import read_entry
from harness.records.entries.writer import NewPoint, replay_pipeline, write_point

RUNS = [{"run": {"execution_time": time_s, "run_success": "yes"}} for time_s in (0.5, 0.25)]
MANY = multiprocessing.get_context("fork")


@pytest.fixture
def entry(tmp_path):
    """The folder of an entry with one point of two repetitions."""
    point = NewPoint(RUNS, features={"f": 1}, choices={"c": "x"})
    folder, _ = write_point(tmp_path / "local", "name", point, meta={"m": 1}, tags=["t"])
    return folder


def test_what_was_written_is_read(entry, tmp_path):
    """Meta, tags, UID, statistics, sub-points and the pipeline come back as they went in."""
    read = read_entry(entry)
    (point,) = read.points
    assert (read.alias, read.meta, read.tags) == ("name", {"m": 1}, ("t",))
    assert read.uid == (tmp_path / "local/experiment/.cm/alias-a-name").read_text().strip()
    assert point.samples("execution_time") == (0.5, 0.25)
    assert point.repetitions == 2
    assert not point.failed
    assert point.sub_points["0001"]["characteristics_list"] == RUNS
    assert point.disagreements() == ()
    assert read.point(point.uid) is point
    assert read.pipeline() == {}
    with pytest.raises(NotFoundError, match="has no point"):
        read.point("0" * 16)


def test_more_repetitions_go_to_the_same_point(entry, tmp_path):
    """The same features and choices give the same point, others a new one; the entry counts them, its meta stays."""
    point = NewPoint(RUNS[:1], features={"f": 1}, choices={"c": "x"})
    write_point(tmp_path / "local", "name", point, meta={"m": 2})
    (same,) = read_entry(entry).points
    assert same.samples("execution_time") == (0.5, 0.25, 0.5)
    write_point(tmp_path / "local", "name", NewPoint(RUNS, features={"f": 2}), meta={}, pipeline={"ignored": 1})
    read = read_entry(entry)
    assert len(read.points) == 2
    assert read.document["points"] == "2"
    assert read.meta == {"m": 1}


def test_a_failed_point(tmp_path):
    """A point with a failed repetition says so, and holds no repetition with figures."""
    failed = NewPoint([{"run": {"return_code": 3}}], pipeline_state={"fail": "yes"})
    folder, _ = write_point(tmp_path, "name", failed, meta={})
    (point,) = read_entry(folder).points
    assert point.failed
    assert point.repetitions == 0


def test_records_of_an_entry(tmp_path):
    """Raw records and their traces are copied into iot-farm/, and listed by name; a trace alone is no record."""
    record = tmp_path / "r.json"
    record.write_text("{}")
    record.with_suffix(".power.csv").write_text("t_s,p_w\n")
    folder, _ = write_point(tmp_path / "local", "name", NewPoint(RUNS), meta={}, records=[record])
    assert [path.name for path in read_entry(folder).records] == ["r.json"]
    assert (folder / "iot-farm/r.power.csv").read_text() == "t_s,p_w\n"


@pytest.mark.parametrize("name", ["", ".cm", "../x", "a/b", "-rf", "a\nb", "x" * 200, "\u0430"])
def test_names_of_entries(tmp_path, name):
    """A name that is none is refused before anything is written."""
    with pytest.raises(BadInputError, match="is no name"):
        write_point(tmp_path / "local", name, NewPoint(RUNS), meta={})
    assert not (tmp_path / "local").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_values_without_a_form(tmp_path, value):
    """What JSON has no form for is refused, and no half of an entry stays."""
    with pytest.raises(BadInputError):
        write_point(tmp_path, "name", NewPoint([{"run": {"t": value}}]), meta={})
    with pytest.raises(BadInputError):
        write_point(tmp_path, "name", NewPoint(RUNS), meta={"m": value})
    assert not [path for path in (tmp_path / "experiment").rglob("*") if path.name != ".cm"]


def test_no_repetitions(tmp_path):
    """A point without repetitions has nothing to say and is refused."""
    with pytest.raises(BadInputError, match="no repetition"):
        write_point(tmp_path, "name", NewPoint([]), meta={})


def test_no_entry(tmp_path):
    """A folder that is not there, and one that is no entry, are told apart."""
    with pytest.raises(NotFoundError):
        read_entry(tmp_path / "nope")
    with pytest.raises(BadInputError, match="is no CK entry"):
        read_entry(tmp_path)


def test_links_are_not_followed(entry, tmp_path):
    """A link anywhere in an entry is refused: it may lead to any file of the reader."""
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    for place in (entry / "pipeline.json", entry / f"ckp-{'0' * 16}.flat.json", entry / "notes"):
        place.symlink_to(secret)
        with pytest.raises(BadInputError, match="is a link"):
            read_entry(entry)
        place.unlink()
    (entry / "iot-farm").symlink_to(tmp_path)
    with pytest.raises(BadInputError, match="is a link"):
        read_entry(entry)
    (entry / "iot-farm").unlink()
    read_entry(entry)


@pytest.mark.parametrize(
    "content", ["", "[]", "1", "{", '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1e999}', "[" * 100_000, '"\\ud800"']
)
@pytest.mark.parametrize("name", [".cm/meta.json", "ckp-{}.flat.json", "ckp-{}.0001.json"])
def test_files_that_are_no_objects(entry, name, content):
    """A file that is no strict JSON object is named in one line."""
    path = entry / name.format(read_entry(entry).points[0].uid)
    path.write_text(content)
    with pytest.raises(BadInputError, match=path.name):
        read_entry(entry)


def test_bounds(entry, monkeypatch):
    """Too many files and too large a file are refused."""
    with monkeypatch.context() as patch:
        patch.setattr(reader, "MAX_FILES", 3)
        with pytest.raises(BadInputError, match="more than 3 files"):
            read_entry(entry)
    monkeypatch.setattr(reader, "MAX_FILE_BYTES", 100)
    with pytest.raises(BadInputError, match="more than 100"):
        read_entry(entry)


def test_an_unfinished_point_is_told_and_not_shown(entry):
    """A point that lacks its statistics is listed as unfinished, and hides no other."""
    (entry / f"ckp-{'0' * 16}.0001.json").write_text("{}")
    read = read_entry(entry)
    assert read.unfinished == ("0" * 16,)
    assert len(read.points) == 1


def test_an_entry_named_by_its_uid(entry):
    """An entry without alias lies in a folder named by its UID."""
    moved = entry.rename(entry.with_name("0123456789abcdef"))
    assert read_entry(moved).uid == "0123456789abcdef"


def test_a_farm_is_replayed_with_its_target():
    """The pipeline of a farm key leaves the target open; one device has none."""
    assert replay_pipeline("benchmark-alexnet-farm-5-nodes")["skip_target"] == ""
    single = replay_pipeline("benchmark-alexnet-single-device-cpu", {"STAT_REPEAT": "5"})
    assert single["skip_target"] == "yes"
    assert single["choices"]["env"] == {"STAT_REPEAT": "5"}
    json.dumps(single)


def _write_many(folder, writer, count):
    for number in range(count):
        runs = [{"run": {"execution_time": writer + number / 1000}}]
        write_point(folder, "shared", NewPoint(runs, choices={"c": "x"}), meta={})


def test_concurrent_writers(tmp_path):
    """Four writers of one new entry and one point: every repetition of each is there, once."""
    writers, count = 4, 15
    processes = [MANY.Process(target=_write_many, args=(tmp_path, writer, count)) for writer in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    (point,) = read_entry(tmp_path / "experiment/shared").points
    assert sorted(point.samples("execution_time")) == sorted(
        writer + number / 1000 for writer in range(writers) for number in range(count)
    )
    assert point.disagreements() == ()


def _write_until_killed(folder, acknowledged):
    number = 0
    while True:
        choices = {"c": str(number % 3)}
        write_point(
            folder, f"e{number % 2}", NewPoint([{"run": {"execution_time": 1.0 * number}}], choices=choices), meta={}
        )
        os.write(acknowledged, number.to_bytes(4, "big"))
        number += 1


def test_a_writer_is_killed(tmp_path):
    """Killed at any moment: what it acknowledged is there, every entry can be read, and the next writer goes on."""
    total = 0
    for turn in range(12):
        folder = tmp_path / str(turn)
        reading, writing = os.pipe()
        process = MANY.Process(target=_write_until_killed, args=(folder, writing))
        process.start()
        os.close(writing)
        time.sleep(0.02 + 0.013 * turn)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        told = os.read(reading, 1 << 20)
        os.close(reading)
        acknowledged = [int.from_bytes(told[at : at + 4], "big") for at in range(0, len(told), 4)]
        total += len(acknowledged)
        found = [
            value
            for entry in sorted(folder.glob("experiment/e*"))
            for point in read_entry(entry).points
            for value in point.samples("execution_time")
        ]
        assert set(map(float, acknowledged)) <= set(found)
        assert len(found) == len(set(found)) <= len(acknowledged) + 1
        write_point(folder, "e0", NewPoint(RUNS, choices={"c": "0"}), meta={})
        (last,) = [p for p in read_entry(folder / "experiment/e0").points if p.features["choices"] == {"c": "0"}]
        assert last.disagreements() == ()
    assert total  # the control: some were written
