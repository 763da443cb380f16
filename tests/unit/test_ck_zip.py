"""Archives of `ck zip`: good ones are unpacked and packed alike, hostile ones leave nothing behind."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from harness.errors import BadInputError
from harness.records.entries import unpack
from harness.records.entries.entry import read_entry
from harness.records.entries.pack import write_zip
from harness.records.entries.unpack import entries_in_zip
from harness.records.entries.writer import NewPoint, write_point

UID, POINT = "0123456789abcdef", "fedcba9876543210"
GOOD = {
    ".cm/alias-a-experiment": b"bc0409fb61f0aa82\n",
    ".cm/alias-u-bc0409fb61f0aa82": b"experiment\n",
    "experiment/.cm/alias-a-name": f"{UID}\n".encode(),
    f"experiment/.cm/alias-u-{UID}": b"name\n",
    "experiment/name/.cm/meta.json": b"{}",
    "experiment/name/.cm/info.json": b"{}",
    "experiment/name/desc.json": b"{}",
    f"experiment/name/ckp-{POINT}.flat.json": b"{}",
    "experiment/name/iot-farm/r.json": b"{}",
    "experiment/name/iot-farm/r.power.csv": b"t_s,p_w\n",
}


def _archive(path: Path, members: dict[str, bytes], **info) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            for key, value in info.get(name, {}).items():
                setattr(member, key, value)
            archive.writestr(member, content)
    return path


@pytest.fixture
def refused(tmp_path):
    """Unpacks what has to be refused, and sees that nothing of it was left, inside or beside."""

    def refuse(path: Path, words: str) -> None:
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(BadInputError, match=words):
            entries_in_zip(path, tmp_path / "deep" / "into")
        assert [left for left in sorted(tmp_path.rglob("*")) if left.name != "deep"] == before

    return refuse


def test_a_good_archive(tmp_path):
    """The control: what an entry has is unpacked, byte for byte; the cache of a dashboard is left behind."""
    cache = f"experiment/name/ckp-{POINT}.a555738be4b65860.cache.json"
    path = _archive(tmp_path / "a.zip", {**GOOD, cache: b"{}", "experiment/name/": b""})
    (entry,) = entries_in_zip(path, tmp_path / "into")
    assert entry == tmp_path / "into" / "experiment" / "name"
    unpacked = {
        file.relative_to(tmp_path / "into").as_posix(): file.read_bytes()
        for file in (tmp_path / "into").rglob("*")
        if file.is_file()
    }
    assert unpacked == GOOD


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "experiment/../../evil",
        "experiment/name/../../../evil.json",
        "/etc/evil",
        "//host/evil",
        "C:\\evil",
        "experiment\\name\\x.json",
        "experiment/name/./desc.json",
        "experiment//name/desc.json",
        "experiment/name/.cm/../../../../evil",
        "experiment/name/customize.py",
        "experiment/name/iot-farm/r.py",
        "experiment/name/iot-farm/-rf.json",
        "experiment/name/iot-farm/deeper/r.json",
        "experiment/na\x1b[2Jme/desc.json",
        "experiment/name\n/desc.json",
        "experiment/n\u0430me/desc.json",
        "experiment/.ssh/authorized_keys",
        "module/program/module.py",
        ".ckr.json",
        ".cm/alias-a-module",
        "experiment/" + "n" * 300 + "/desc.json",
        "e/" * 200 + "x",
    ],
)
def test_names_that_no_entry_has(tmp_path, refused, name):
    """A name that leads out of the entry, hides something or belongs to no entry ends it before anything is written."""
    refused(_archive(tmp_path / "a.zip", {**GOOD, name: b"x"}), "is no file of an experiment entry")


def test_a_name_cut_off_by_a_zero(tmp_path, refused):
    """A name with a zero byte, of which readers see the front part alone, is refused."""
    path = _archive(tmp_path / "a.zip", {**GOOD, "experiment/name/pipeline.json!x": b"{}"})
    path.write_bytes(path.read_bytes().replace(b"pipeline.json!x", b"pipeline.json\0x"))
    refused(path, "hides a part of its name")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_special_files(tmp_path, refused, kind):
    """A symbolic link, a pipe, a device and a socket are refused under whatever name."""
    name = "experiment/name/pipeline.json"
    attributes = {name: {"create_system": 3, "external_attr": (kind | 0o777) << 16}}
    refused(_archive(tmp_path / "a.zip", {**GOOD, name: b"/etc/passwd"}, **attributes), "link or a special file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(tmp_path, refused):
    """Two members of one name are refused: readers differ in which one they take."""
    path = tmp_path / "a.zip"
    _archive(path, GOOD)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("experiment/name/desc.json", b'{"other": 1}')
    refused(path, "is there twice")


def test_names_that_differ_in_case(tmp_path, refused):
    """Names that are one file on some systems are refused."""
    refused(_archive(tmp_path / "a.zip", {**GOOD, "experiment/Name/desc.json": b"{}"}), "only in case")


def test_strong_compression(tmp_path, refused):
    """A member that unpacks to a hundred times its size is refused unread; a small one may."""
    small = {"experiment/name/pipeline.json": b" " * 900_000}
    entries_in_zip(_archive(tmp_path / "small.zip", {**GOOD, **small}), tmp_path / "ok")
    bomb = {"experiment/name/pipeline.json": b" " * 5_000_000}
    refused(_archive(tmp_path / "a.zip", {**GOOD, **bomb}), "more than 100 times")


def test_a_size_that_is_a_lie(tmp_path, refused):
    """A member that holds more than its header says is found out while it is unpacked, and everything removed."""
    path = _archive(tmp_path / "a.zip", {**GOOD, "experiment/name/pipeline.json": b"{" + b" " * 5000 + b"}"})
    path.write_bytes(path.read_bytes().replace(struct.pack("<L", 5002), struct.pack("<L", 2)))
    refused(path, "damaged|larger than it says")


def test_bounds(tmp_path, refused, monkeypatch):
    """Too many files, too large a file, too much in all and too large an archive each end it."""
    path = _archive(tmp_path / "a.zip", {**GOOD, "experiment/name/pipeline.json": b"x" * 2000})
    for name, value, words in (
        ("MAX_MEMBERS", 5, "more than 5 files"),
        ("MAX_MEMBER_BYTES", 1000, "more than 1,000"),
        ("MAX_TOTAL_BYTES", 1500, "above 1,500"),
        ("MAX_ARCHIVE_BYTES", 100, "more than 100"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(unpack, name, value)
            refused(path, words)


def test_many_members(tmp_path, refused):
    """An archive of a hundred thousand empty files is refused after a look at its end."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    refused(path, "more than 10,000 files")


def test_encrypted(tmp_path, refused):
    """An encrypted member is refused; nobody is asked for a password."""
    path = _archive(tmp_path / "a.zip", GOOD)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1
    path.write_bytes(bytes(data))
    refused(path, "is encrypted")


def test_unknown_compression(tmp_path, refused):
    """bzip2 and the like, which CK never writes, are refused."""
    path = _archive(tmp_path / "a.zip", GOOD, **{"experiment/name/desc.json": {"compress_type": zipfile.ZIP_BZIP2}})
    refused(path, "compressed in a way")


def test_overlapping_members(tmp_path, refused):
    """Members that share their bytes, the trick by which small archives unpack to terabytes, are refused."""
    path = _archive(tmp_path / "a.zip", GOOD)
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\1\2", data.index(b"PK\1\2") + 4)
    data[second + 42 : second + 46] = struct.pack("<L", 0)
    path.write_bytes(bytes(data))
    refused(path, "overlaps")


@pytest.mark.parametrize("data", [b"", b"PK", b"no archive at all" * 10, b"PK\5\6" + b"\xff" * 18])
def test_no_archive(tmp_path, refused, data):
    """What is no archive is named as such."""
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    refused(path, "no zip archive|damaged|more than")


@pytest.mark.parametrize("cut", range(20, 1500, 97))
def test_a_damaged_archive(tmp_path, refused, cut):
    """A flipped byte anywhere gives the entry unharmed or one clear error, never a traceback."""
    data = bytearray(_archive(tmp_path / "a.zip", GOOD).read_bytes())
    data[cut % len(data)] ^= 0xFF
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(data))
    try:
        entries_in_zip(path, tmp_path / "into")
    except BadInputError:
        assert not (tmp_path / "into").exists()


def test_an_empty_archive(tmp_path, refused):
    """The 22 bytes that `ck zip` writes when nothing matched are refused with the reason."""
    path = tmp_path / "a.zip"
    zipfile.ZipFile(path, "w").close()
    refused(path, "holds no experiment entry")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiment/.cm/alias-a-name": b"../../x"}, "no fitting alias"),
        ({f"experiment/.cm/alias-u-{UID}": b"other"}, "no fitting alias"),
        ({"experiment/.cm/alias-a-name": None}, "no fitting alias"),
        ({"experiment/.cm/alias-a-other": b"0" * 16}, "belongs to no entry"),
        ({"experiment/name/.cm/meta.json": None}, "has no .cm/meta.json"),
    ],
)
def test_alias_files(tmp_path, refused, changes, words):
    """Alias files that do not fit would give an entry another identity, or none."""
    members = {name: content for name, content in {**GOOD, **changes}.items() if content is not None}
    refused(_archive(tmp_path / "a.zip", members), words)


def test_a_folder_in_use(tmp_path):
    """A folder that holds something is left as it is."""
    path = _archive(tmp_path / "a.zip", GOOD)
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "mine").write_text("x")
    with pytest.raises(BadInputError, match="is not empty"):
        entries_in_zip(path, tmp_path / "into")
    assert (tmp_path / "into" / "mine").read_text() == "x"


def test_packed_and_unpacked(tmp_path):
    """An entry that we packed is read again with the same points, and packs to the same bytes a second time."""
    entry, _ = write_point(
        tmp_path / "local", "e", NewPoint([{"run": {"execution_time": 0.5}}], choices={"c": "x"}), meta={"m": 1}
    )
    first, second = tmp_path / "a.zip", tmp_path / "b.zip"
    write_zip([entry], first)
    write_zip([entry], second)
    assert first.read_bytes() == second.read_bytes()
    (unpacked,) = entries_in_zip(first, tmp_path / "into")
    before, after = read_entry(entry), read_entry(unpacked)
    assert (before.points, before.document, before.uid) == (after.points, after.document, after.uid)
    with pytest.raises(BadInputError, match="already exists"):
        write_zip([entry], first)


def test_packing_refuses_what_unpacking_would(tmp_path):
    """A foreign file or a link in an entry is named when it is packed, not by the receiver."""
    entry, _ = write_point(tmp_path / "local", "e", NewPoint([{"run": {"execution_time": 0.5}}]), meta={})
    (entry / "notes.txt").write_text("x")
    with pytest.raises(BadInputError, match=r"notes\.txt is no file"):
        write_zip([entry], tmp_path / "a.zip")
    (entry / "notes.txt").unlink()
    (entry / "pipeline.json").symlink_to("/etc/passwd")
    with pytest.raises(BadInputError, match="is a link"):
        write_zip([entry], tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
