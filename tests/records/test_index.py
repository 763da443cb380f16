"""The index of a folder: appended to, chained, and made anew from the records."""

import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.records.index import INDEX_FILE, append, read_index, rebuild


def digest(number: int) -> str:
    """A digest."""
    return f"{number:064x}"


def filled(folder: Path, count: int) -> Path:
    """A folder with an index of so many records, and these."""
    for number in range(count):
        (folder / f"r{number}.json").write_text("{}")
        append(folder, f"r{number}.json", digest(number))
    return folder / INDEX_FILE


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    """File, digest and time of each; a chain without a break; none where there is none."""
    assert read_index(tmp_path) == ((), ())
    filled(tmp_path, 5)
    lines, problems = read_index(tmp_path)
    assert [(line.file, line.record_sha256) for line in lines] == [(f"r{n}.json", digest(n)) for n in range(5)]
    assert problems == ()
    assert lines[0].previous == ""
    assert len({line.previous for line in lines}) == 5


@pytest.mark.parametrize(("lost", "told"), [(0, "line 1"), (2, "line 3")])
def test_a_lost_line_shows(tmp_path: Path, lost: int, told: str) -> None:
    """The line that follows names another one before it."""
    path = filled(tmp_path, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:lost] + lines[lost + 1 :]))
    _, (problem,) = read_index(tmp_path)
    assert problem == f"{told} of index.jsonl does not follow the one before: a line was changed or lost"


@given(st.integers(0, 3), st.data())
@settings(max_examples=60)
def test_a_changed_line_shows(tmp_path_factory: pytest.TempPathFactory, which: int, data: st.DataObject) -> None:
    """Any byte of any line but the last, and it does not fit the next one; lines that change places do not fit."""
    folder = tmp_path_factory.mktemp("index")
    path = filled(folder, 5)
    lines = path.read_bytes().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines[which]) - 2))
    changed = bytearray(lines[which])
    changed[at] ^= 1
    path.write_bytes(b"".join([*lines[:which], bytes(changed), *lines[which + 1 :]]))
    assert read_index(folder)[1]
    lines[which], lines[which + 1] = lines[which + 1], lines[which]
    path.write_bytes(b"".join(lines))
    assert read_index(folder)[1]


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_a_torn_tail_stays_and_nothing_after_it_is_lost(tmp_path: Path, cut: int) -> None:
    """The next writer ends the torn line and chains to it as it stands; only that one is told of."""
    path = filled(tmp_path, 3)
    path.write_bytes(path.read_bytes()[:-cut])
    append(tmp_path, "later.json", digest(7))
    append(tmp_path, "last.json", digest(8))
    lines, problems = read_index(tmp_path)
    named = [line.file for line in lines]
    assert named[-2:] == ["later.json", "last.json"]
    if cut == 1:  # the newline alone: nothing was torn off
        assert problems == ()
        assert len(named) == 5
    else:
        assert problems == ("line 3 of index.jsonl is torn or no line of an index",)
        assert named == ["r0.json", "r1.json", "later.json", "last.json"]


@pytest.mark.parametrize("line", [b"{}", b"[]", b"\xff", b'{"file":1}', b"\x00" * 10, b"null", b"[" * 1000])
def test_what_is_no_line_is_told_and_left_out(tmp_path: Path, line: bytes) -> None:
    """Foreign lines end nothing: those around them are read."""
    path = filled(tmp_path, 2)
    with path.open("ab") as stream:
        stream.write(line + b"\n")
    append(tmp_path, "later.json", digest(9))
    lines, problems = read_index(tmp_path)
    assert [line.file for line in lines] == ["r0.json", "r1.json", "later.json"]
    assert problems == ("line 3 of index.jsonl is torn or no line of an index",)


def test_made_anew_the_former_one_is_kept(tmp_path: Path) -> None:
    """Whatever was wrong, the new chain is whole; the old bytes stand beside it."""
    path = filled(tmp_path, 4)
    before = path.read_bytes()[:-30]
    path.write_bytes(before)
    kept = rebuild(tmp_path, [(f"r{number}.json", digest(number)) for number in range(4)])
    assert kept is not None
    assert kept.read_bytes() == before
    lines, problems = read_index(tmp_path)
    assert [line.file for line in lines] == [f"r{number}.json" for number in range(4)]
    assert problems == ()
    append(tmp_path, "later.json", digest(9))
    assert read_index(tmp_path)[1] == ()
    assert not list(tmp_path.glob(".*")), "nothing half-made is left"


def test_made_anew_where_there_was_none(tmp_path: Path) -> None:
    """Nothing is kept then."""
    assert rebuild(tmp_path, [("a.json", digest(1))]) is None
    assert [line.file for line in read_index(tmp_path)[0]] == ["a.json"]
    assert [path.name for path in tmp_path.iterdir()] == [INDEX_FILE]


def test_a_record_filed_meanwhile_is_carried_over(tmp_path: Path) -> None:
    """What was entered after the records were listed is in the new index too; what is gone is not."""
    filled(tmp_path, 3)
    (tmp_path / "r1.json").unlink()
    rebuild(tmp_path, [("r0.json", digest(0))])
    assert [line.file for line in read_index(tmp_path)[0]] == ["r0.json", "r2.json"]


def _append_many(folder: Path, writer: int, each: int) -> None:
    for number in range(each):
        name = f"w{writer}-{number}.json"
        (folder / name).write_text("{}")
        append(folder, name, digest(number))


def test_writers_and_rebuilders_at_the_same_time(tmp_path: Path) -> None:
    """While four writers enter records the index is made anew again and again: no line is lost, the chain is whole."""
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(tmp_path, writer, 30)) for writer in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        rebuild(tmp_path, [])
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    lines, problems = read_index(tmp_path)
    assert problems == ()
    assert sorted(line.file for line in lines) == sorted(f"w{w}-{n}.json" for w in range(4) for n in range(30))


def test_an_index_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in its place, a link, a full disk: one line, and never half an answer."""
    (tmp_path / "a" / INDEX_FILE).mkdir(parents=True)
    with pytest.raises(BadInputError, match="cannot be written: Is a directory"):
        append(tmp_path / "a", "r.json", digest(1))
    with pytest.raises(BadInputError, match="cannot be read: Is a directory"):
        read_index(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / INDEX_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInputError, match="cannot be written"):
        append(tmp_path / "b", "r.json", digest(1))
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "c").mkdir()
    written = os.write
    monkeypatch.setattr("os.write", lambda descriptor, data: written(descriptor, data[:10]))
    with pytest.raises(BadInputError, match="No space left"):
        append(tmp_path / "c", "r.json", digest(1))
    monkeypatch.undo()
    append(tmp_path / "c", "r.json", digest(1))
    assert [line.file for line in read_index(tmp_path / "c")[0]] == ["r.json"]
