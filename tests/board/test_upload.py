"""Whatever is uploaded: good records are kept and judged here, hostile archives and names have no effect."""

from __future__ import annotations

import json
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from board.archives import UID, archive_of, members_of, packed
from run_records import run_record, steady_frames

from harness.board.catalogue.catalogue import Catalogue
from harness.board.catalogue.query import Query
from harness.board.service import reading
from harness.board.service.archive import Archive, ForeignRecordError
from harness.board.service.store import Store, StoreError, lines_between
from harness.board.service.upload import NOT_CHECKABLE, Answer, Checked, look_through
from harness.errors import BadInputError, NotFoundError
from harness.records.canonical import canonical
from harness.records.manifest import seal


def good(**changes: Any) -> dict[str, Any]:
    """A record that the checks call VALID, sealed."""
    return seal({**run_record().to_document(), **changes})


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    """An empty one, brought up."""
    catalogue = Catalogue(f"sqlite:///{tmp_path / 'board.sqlite'}")
    made = Archive(Store(tmp_path / "data"), catalogue)
    made.start()
    yield made
    catalogue.close()


def _look(tmp_path: Path, content: bytes) -> list[Checked | Answer]:
    path = tmp_path / "in.zip"
    path.write_bytes(content)
    return look_through(path, Path(tempfile.mkdtemp(dir=tmp_path)))


def _answers(archive: Archive, found: list[Checked | Answer], by: str = "alice") -> list[Answer]:
    return [one if isinstance(one, Answer) else archive.deposit(one, by) for one in found]


def test_a_good_record_is_kept_once(tmp_path: Path, archive: Archive) -> None:
    """Stored, then already here; its bytes come back as they were sent; the row stands in the table."""
    document = good()
    (first,) = _answers(archive, _look(tmp_path, archive_of(document)))
    assert (first.answer, first.verdict, first.reasons) == ("stored", "VALID", ())
    (second,) = _answers(archive, _look(tmp_path, archive_of(document, name="other-entry")), by="bob")
    assert (second.answer, second.id) == ("already here", first.id)
    (row,) = archive.catalogue.page(Query()).rows
    assert row.id == first.id
    card = archive.catalogue.card(first.id)
    assert card is not None
    assert card.more["by"] == "alice"
    assert archive.file(card, "record.json").read_bytes() == canonical(document)
    assert archive.document(card) == document


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda document: document["frames"][3].update(sent_s=0.31), "SHA-256 is another"),
        (lambda document: document["metrics"].update(ips=1e6), "SHA-256 is another"),
        (lambda document: document.update(format="something"), "format"),
        (lambda document: document.update(version=99), "version 99"),
        (lambda document: document.pop("frames"), "lacks frames"),
        (lambda document: document["manifest"].pop("record_sha256"), "lacks manifest.record_sha256"),
        (
            lambda document: document["manifest"].update(files={"power.csv": {"sha256": "0" * 64, "bytes": 1}}),
            "SHA-256",
        ),
    ],
)
def test_a_record_that_was_changed_is_refused(tmp_path: Path, archive: Archive, change: Any, told: str) -> None:
    """A record whose seal is broken, or that is none, is not kept, and the reason is named."""
    document = good()
    change(document)
    (answer,) = _answers(archive, _look(tmp_path, archive_of(document)))
    assert answer.answer == "refused"
    assert any(told in reason for reason in answer.reasons), answer.reasons
    assert archive.catalogue.count(Query(verdict="any")) == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["metrics"].update(ips=1e6),
        lambda document: document["frames"][3].update(replies=2),
        lambda document: document["frames"].pop(),
        lambda document: document["frames"][5].update(error=1.0),
        lambda document: document.update(frames=[{"frame": "x"}]),
        lambda document: document.update(frames={"a": 1}),
        lambda document: document.update(nodes=[1, 2]),
        lambda document: document.update(target={"name": None, "kind": [], "devices": {}}),
        lambda document: document.update(metrics=[]),
        lambda document: document.update(devices="none"),
        lambda document: document.update(energy={"meter": 7}),
        lambda document: document.update(tolerance=1e300),
    ],
)
def test_a_lie_under_a_new_seal_is_never_verified(tmp_path: Path, archive: Archive, change: Any) -> None:
    """Whoever edits a record and seals it anew gets it kept as INVALID at most, never into the table."""
    document = run_record().to_document()
    change(document)
    (answer,) = _answers(archive, _look(tmp_path, archive_of(seal(document))))
    assert answer.verdict != "VALID"
    assert answer.reasons
    assert archive.catalogue.count(Query()) == 0


def test_an_invalid_record_is_kept_with_its_reasons(tmp_path: Path, archive: Archive) -> None:
    """It is not shown unless it is asked for."""
    document = run_record().to_document()
    document["frames"][3]["replies"] = 2
    (answer,) = _answers(archive, _look(tmp_path, archive_of(seal(document))))
    assert (answer.answer, answer.verdict) == ("stored", "INVALID")
    assert archive.catalogue.count(Query()) == 0
    (row,) = archive.catalogue.page(Query(verdict="INVALID")).rows
    assert row.reasons == answer.reasons


def test_an_entry_without_raw_records_is_not_checkable(tmp_path: Path, archive: Archive) -> None:
    """What only CK recorded cannot be counted again, and is said to be so."""
    (answer,) = _answers(archive, _look(tmp_path, packed(members_of("theirs", {}))))
    assert (answer.answer, answer.entry) == (NOT_CHECKABLE, "theirs")
    assert archive.catalogue.count(Query(verdict="any")) == 0


def test_one_bad_record_does_not_spoil_the_others(tmp_path: Path, archive: Archive) -> None:
    """Each record is answered by itself."""
    files = {
        "a.json": canonical(good()),
        "b.json": b"{",
        "c.json": b"\xff",
        "d.json": b'{"a":NaN}',
        "e.json": b"[" * 99,
    }
    answers = _answers(archive, _look(tmp_path, packed(members_of("mixed", files))))
    assert [one.answer for one in answers] == ["stored", "refused", "refused", "refused", "refused"]
    assert not any(str(tmp_path) in reason for one in answers for reason in one.reasons)


def _member(name: str, content: bytes = b"x", **info: Any) -> bytes:
    """A good archive with one more member."""
    import io

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for member, data in members_of("ours", {"run.json": canonical(good())}).items():
            made.writestr(member, data)
        extra = zipfile.ZipInfo("placeholder")
        extra.filename = name  # past what ZipInfo makes of it
        extra.compress_type = zipfile.ZIP_DEFLATED
        for key, value in info.items():
            setattr(extra, key, value)
        made.writestr(extra, content)
    return stream.getvalue()


NAMES = [
    "../evil.json",
    "experiment/../../evil.json",
    "experiment/ours/../../../evil.json",
    "/tmp/evil.json",
    "//host/share/evil",
    "C:\\evil.json",
    "experiment\\ours\\evil.json",
    "experiment/ours/iot-farm/../../../../evil.json",
    "experiment/ours/iot-farm/.json",
    "experiment/ours/iot-farm/a b.json",
    "experiment/ours/iot-farm/$(touch evil).json",
    "experiment/ours/iot-farm/<script>.json",
    "experiment/ours/iot-farm/\u202egnp.json",
    "experiment/ours/iot-farm/a\nb.json",
    "experiment/ours/iot-farm/" + "n" * 300 + ".json",
    "experiment/ours/iot-farm/con:.json",
    "experiment/ours/iot-farm/RUN.json",
    "experiment/ours/iot-farm/run.json/x.json",
    "experiment/ours/run.sh",
    "experiment/ours/.cm/../../../evil.json",
    "module/evil/module.py",
    "experiment/'; DROP TABLE board_rows; --/iot-farm/a.json",
    "\u00e9vil.json",
    ".ckr.json",
]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names_have_no_effect(tmp_path: Path, archive: Archive, name: str) -> None:
    """The archive is refused as a whole, nothing is written outside, nothing is kept."""
    _refused_without_trace(tmp_path, archive, _member(name))


def _bomb() -> bytes:
    return _member("experiment/ours/iot-farm/bomb.json", b"\0" * 20_000_000)


def _many() -> bytes:
    return packed(members_of("ours", {f"r{number}.json": b"{}" for number in range(10_001)}))


def _overlapping() -> bytes:
    """Two names for one content."""
    data = bytearray(_member("experiment/ours/iot-farm/second.json"))
    end = data.rfind(b"PK\5\6")
    start = struct.unpack_from("<L", data, end + 16)[0]
    last = data.rfind(b"PK\1\2", start, end)
    struct.pack_into("<L", data, last + 42, 0)
    return bytes(data)


def _twice() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return _member("experiment/ours/iot-farm/run.json")


def _patched(offset: int, value: bytes) -> bytes:
    """The last member's directory entry says something else."""
    data = bytearray(_member("experiment/ours/iot-farm/second.json", b"y" * 2000))
    last = data.rfind(b"PK\1\2")
    data[last + offset : last + offset + len(value)] = value
    return bytes(data)


HOSTILE: dict[str, Any] = {
    "empty": lambda: b"",
    "no archive": lambda: b"hello" * 100,
    "truncated": lambda: archive_of(good())[:-30],
    "half": lambda: archive_of(good())[: len(archive_of(good())) // 2],
    "only an end": lambda: b"PK\5\6" + bytes(18),
    "a bomb": _bomb,
    "ten thousand files": _many,
    "overlapping": _overlapping,
    "encrypted": lambda: _patched(8, b"\x01\x00"),
    "another method": lambda: _patched(10, b"\x0c\x00"),
    "smaller than it says": lambda: _patched(24, struct.pack("<L", 5000)),
    "larger than it says": lambda: _patched(24, struct.pack("<L", 3)),
    "another checksum": lambda: _patched(16, b"\0\0\0\0"),
    "a directory beyond the end": lambda: archive_of(good())[:-6] + b"\xff\xff\xff\x7f\0\0",
    "a symbolic link": lambda: _member(
        "experiment/ours/iot-farm/l.json", b"/etc/passwd", external_attr=(stat.S_IFLNK | 0o777) << 16
    ),
    "a device": lambda: _member("experiment/ours/iot-farm/d.json", b"", external_attr=(stat.S_IFCHR | 0o666) << 16),
    "a pipe": lambda: _member("experiment/ours/iot-farm/p.json", b"", external_attr=(stat.S_IFIFO | 0o666) << 16),
    "a name twice": _twice,
    "a folder with content": lambda: _member("experiment/ours/iot-farm/", b"evil"),
    "an entry without meta": lambda: packed(
        {name: data for name, data in members_of("ours", {"r.json": b"{}"}).items() if "meta.json" not in name}
    ),
    "an alias of another": lambda: packed(
        {**members_of("ours", {"r.json": b"{}"}), f"experiment/.cm/alias-u-{UID}": b"../../evil\n"}
    ),
    "no entry": lambda: packed({".cm/alias-a-experiment": b"bc0409fb61f0aa82\n"}),
    "too many records": lambda: packed(members_of("ours", {f"r{number}.json": b"{}" for number in range(501)})),
}


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_hostile_archives_have_no_effect(tmp_path: Path, archive: Archive, kind: str) -> None:
    """Refused in one line that names no folder of this machine; nothing is left behind."""
    _refused_without_trace(tmp_path, archive, HOSTILE[kind]())


def _refused_without_trace(tmp_path: Path, archive: Archive, content: bytes) -> None:
    path = tmp_path / "in.zip"
    path.write_bytes(content)
    before = {one: one.stat().st_mtime_ns for one in sorted(tmp_path.rglob("*")) if one.is_file()}
    elsewhere = set(Path("/tmp").glob("evil*")) | set(Path.cwd().glob("evil*"))
    with pytest.raises(BadInputError) as caught:
        look_through(path, tmp_path / "deep" / "into")
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in caught.value.message
    after = {one: one.stat().st_mtime_ns for one in sorted(tmp_path.rglob("*")) if one.is_file()}
    assert after == before or set(after) - set(before) == set()
    assert set(Path("/tmp").glob("evil*")) | set(Path.cwd().glob("evil*")) == elsewhere
    assert archive.catalogue.count(Query(verdict="any")) == 0


def test_the_same_archive_without_the_hostile_member_is_taken(tmp_path: Path, archive: Archive) -> None:
    """The control of the two tests above: with a harmless member more, the archive is good."""
    found = _look(tmp_path, _member("experiment/ours/desc.json", b"{}"))
    assert [one.answer for one in _answers(archive, found)] == ["stored"]


def test_withdrawing(tmp_path: Path, archive: Archive) -> None:
    """Only the uploader can; the row goes, the files and a note stay, and sending it again changes nothing."""
    (answer,) = _answers(archive, _look(tmp_path, archive_of(good())))
    with pytest.raises(ForeignRecordError):
        archive.withdraw(answer.id, "bob")
    with pytest.raises(NotFoundError):
        archive.withdraw("0" * 16, "alice")
    card = archive.withdraw(answer.id, "alice", "the clock was wrong")
    assert card.withdrawn is not None
    assert card.withdrawn["why"] == "the clock was wrong"
    assert archive.catalogue.count(Query(verdict="any")) == 0
    assert archive.file(card, "record.json").exists()
    (again,) = _answers(archive, _look(tmp_path, archive_of(good())))
    assert again.answer == "withdrawn"


def test_published_rows_belong_to_nobody(archive: Archive) -> None:
    """They are shown beside the records, and nobody can take them back."""
    from harness.records.published import read_published

    archive.start(read_published())
    assert archive.catalogue.count(Query()) == len(read_published())
    with pytest.raises(ForeignRecordError):
        archive.withdraw(read_published()[0].id, "alice")


def test_the_index_is_made_again_from_the_files(tmp_path: Path, archive: Archive) -> None:
    """A catalogue that is lost, empty or of another journal comes back with every row and every note."""
    documents = [seal({**run_record(run=f"{number:016x}").to_document()}) for number in range(5)]
    answers = _answers(archive, _look(tmp_path, archive_of(*documents)))
    archive.withdraw(answers[2].id, "alice")
    before = archive.catalogue.page(Query(sort="started_utc")).rows
    assert len(before) == 4
    fresh = Archive(archive.store, Catalogue(f"sqlite:///{tmp_path / 'other.sqlite'}"))
    fresh.start()
    assert fresh.catalogue.page(Query(sort="started_utc")).rows == before
    lost = fresh.catalogue.card(answers[2].id)
    assert lost is not None
    assert lost.withdrawn is not None
    assert fresh.recheck() == 0
    fresh.catalogue.close()


def test_a_torn_journal_line_is_passed_over(tmp_path: Path, archive: Archive) -> None:
    """A writer that was killed in the middle of a line costs that line only, which nobody was promised."""
    _answers(archive, _look(tmp_path, archive_of(good())))
    journal = archive.store.folder / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole.splitlines()[-1][:100])
    other = seal(run_record(run="f" * 16).to_document())
    (answer,) = _answers(archive, _look(tmp_path, archive_of(other)))
    assert answer.answer == "stored"
    assert archive.rebuild() == 2


_DEPOSIT = """
import os, signal, sys
from pathlib import Path
from harness.board.catalogue.catalogue import Catalogue
from harness.board.service.archive import Archive
from harness.board.service import reading
from harness.board.service.store import Store, StoreError, lines_between
from harness.board.service.upload import look_through
data, zipped, into, moment = sys.argv[1:]
real_fsync, count = os.fsync, 0
def fsync(descriptor):
    global count
    count += 1
    if count == int(moment):
        os.kill(os.getpid(), signal.SIGKILL)
    real_fsync(descriptor)
archive = Archive(Store(Path(data)), Catalogue("sqlite:///" + data + "/board.sqlite"))
archive.start()
found = look_through(Path(zipped), Path(into))
os.fsync = fsync
for one in found:
    print(archive.deposit(one, "alice").id, flush=True)
"""


@pytest.mark.parametrize("moment", range(1, 11))
def test_a_service_that_is_killed_loses_nothing_acknowledged(tmp_path: Path, moment: int) -> None:
    """SIGKILL at each fsync: every acknowledged record is there afterwards, whole, and sending again completes it."""
    documents = [seal(run_record(run=f"{number:016x}").to_document()) for number in range(3)]
    (tmp_path / "in.zip").write_bytes(archive_of(*documents))
    data = tmp_path / "data"
    data.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _DEPOSIT, str(data), str(tmp_path / "in.zip"), str(tmp_path / "into"), str(moment)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    acknowledged = done.stdout.split()
    assert done.returncode == -signal.SIGKILL or len(acknowledged) == 3
    archive = Archive(Store(data), Catalogue(f"sqlite:///{data}/board.sqlite"))
    archive.start()
    there = {row.id for row in archive.catalogue.page(Query()).rows}
    assert set(acknowledged) <= there
    for key in there:
        card = archive.catalogue.card(key)
        assert card is not None
        assert archive.document(card)["manifest"]["record_sha256"].startswith(key)
    answers = _answers(archive, look_through(tmp_path / "in.zip", tmp_path / "again"))
    assert {one.answer for one in answers} <= {"stored", "already here"}
    assert archive.catalogue.count(Query()) == 3
    archive.catalogue.close()


def test_writers_at_once(tmp_path: Path) -> None:
    """Eight threads with catalogues of their own deposit the same and other records: each is kept exactly once."""
    documents = [seal(run_record(run=f"{number:016x}").to_document()) for number in range(24)]
    folder = tmp_path / "data"
    first = Archive(Store(folder), Catalogue(f"sqlite:///{tmp_path / 'board.sqlite'}"))
    first.start()
    words: list[str] = []

    def deposit(number: int) -> None:
        archive = Archive(Store(folder), Catalogue(f"sqlite:///{tmp_path / 'board.sqlite'}"))
        place = tmp_path / f"writer-{number}"
        place.mkdir()
        mine = documents[number * 2 : number * 2 + 10]
        words.extend(one.answer for one in _answers(archive, _look(place, archive_of(*mine))))
        archive.catalogue.close()

    threads = [threading.Thread(target=deposit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(words) == 80
    assert words.count("stored") == 24
    assert first.catalogue.count(Query()) == 24
    assert sum(b'"event":"stored"' in line for line in (folder / "journal.jsonl").read_bytes().splitlines()) == 24
    first.catalogue.close()


def test_nothing_but_a_digest_becomes_a_path(tmp_path: Path) -> None:
    """The store gives out contents by SHA-256 and nothing else."""
    store = Store(tmp_path / "data")
    (tmp_path / "data" / "secret").write_text("x")
    digest = store.keep(b"content")
    assert store.content(digest).read_bytes() == b"content"
    for name in (
        "secret",
        "../secret",
        "",
        digest.upper(),
        digest[:-1],
        f"{digest}\n",
        "../" * 20 + "etc/passwd",
        "0" * 64,
    ):
        with pytest.raises(NotFoundError):
            store.content(name)


def test_a_disk_that_takes_nothing(tmp_path: Path, archive: Archive) -> None:
    """Nothing is acknowledged, and what the uploader reads names no folder."""
    contents = archive.store.folder / "contents"
    found = _look(tmp_path, archive_of(good()))
    shutil.rmtree(contents)
    contents.write_text("no folder")
    with pytest.raises(StoreError) as caught:
        _answers(archive, found)
    assert str(tmp_path) not in str(caught.value)
    assert archive.catalogue.count(Query(verdict="any")) == 0
    contents.unlink()
    assert [one.answer for one in _answers(archive, found)] == ["stored"]


def test_a_large_record_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record beyond the service's bound is named with its size."""
    monkeypatch.setattr("harness.board.service.upload.MAX_RECORD_BYTES", 100)
    (answer,) = _look(tmp_path, archive_of(good()))
    assert isinstance(answer, Answer)
    assert "more than 100" in answer.reasons[0]


def test_frames_of_a_longer_run(tmp_path: Path, archive: Archive) -> None:
    """The figures of the row are those that the frames give here, not those that the record claims."""
    document = run_record(frames=steady_frames(200, 0.05)).to_document()
    (answer,) = _answers(archive, _look(tmp_path, archive_of(seal(json.loads(json.dumps(document))))))
    assert answer.verdict == "VALID"
    (row,) = archive.catalogue.page(Query()).rows
    assert row.figures["ips"] == pytest.approx(20.0)


def test_a_long_journal_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: Archive) -> None:
    """Wherever a piece is cut, every line is read once; and another process reads the same as this one."""
    _answers(archive, _look(tmp_path, archive_of(*(seal(run_record(run=f"{n:016x}").to_document()) for n in range(6)))))
    journal = archive.store.journal
    end = journal.stat().st_size
    whole = list(lines_between(journal, 0, end))
    for size in (1, 7, 1000, 4096, end - 1, end, end + 1):
        pieces = [lines_between(journal, start, min(start + size, end)) for start in range(0, end, size)]
        assert [line for piece in pieces for line in piece] == whole
        if size == 1:
            assert len(pieces) == end
    expected = list(reading.prepared_cards(journal, end))
    assert len(expected) == 6
    monkeypatch.setattr(reading, "_LONG_BYTES", 1)
    monkeypatch.setattr(reading, "_PIECE_BYTES", 3000)
    assert list(reading.prepared_cards(journal, end)) == expected
