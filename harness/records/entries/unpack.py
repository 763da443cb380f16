"""Reads the archives of `ck zip`, within bounds: what an archive says about itself is never believed.

Everything is judged before the first byte is unpacked: names (only those that an experiment entry has), kinds of file,
sizes, ratios, overlaps. CK itself joins an archive's names to a path unchecked.
"""

from __future__ import annotations

import os
import shutil
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from harness.errors import BadInputError
from harness.records.entries.entry import MODULE
from harness.records.entries.names import CACHE, FILES, FOLDERS, UID

MAX_ARCHIVE_BYTES = 256 * 1024 * 1024
"""Largest archive that is opened."""
MAX_MEMBERS = 10_000
"""Most files in one archive."""
MAX_MEMBER_BYTES = 256 * 1024 * 1024
"""Largest file in it."""
MAX_TOTAL_BYTES = 1024 * 1024 * 1024
"""Most bytes that an archive may unpack to."""
MAX_RATIO = 100
"""Strongest compression of a file above 1 MB; samples of a run shrink to a tenth."""

_SMALL_BYTES = 1_000_000
_MAX_DIRECTORY_BYTES = 4 * 1024 * 1024
_END = struct.Struct("<4s4H2LH")  # the end of a zip: signature, disks, entries, size and offset of the directory
_END_SIGNATURE, _LOCATOR_64 = b"PK\5\6", b"PK\6\7"
_LOCATOR_BYTES, _LONGEST_COMMENT, _LOCAL_HEADER_BYTES = 20, 65_535, 30
_ENCRYPTED = 0x1 | 0x40
_CHUNK_BYTES = 1024 * 1024

_ALIAS_BYTES = 256


def entries_in_zip(path: Path, into: Path) -> tuple[Path, ...]:
    """Unpack the experiment entries of an archive.

    Args:
        path: what `ck zip` or `ck_pack.write_zip` made.
        into: a folder that does not exist yet or is empty; becomes a CK repository. Nothing of a refused archive stays.

    Returns:
        The folders of the entries, by name.

    Raises:
        BadInputError: it is no archive, is damaged or encrypted, holds anything else than experiment entries, or more
            than the bounds of this module allow; `into` is not empty or cannot be written.
    """
    members = _opened(path)
    try:
        with members as archive:
            accepted = _judged(archive, path)
            made = not into.exists()
            into.mkdir(parents=True, exist_ok=True)
            if any(into.iterdir()):
                raise BadInputError(f"{into} is not empty", "unpack into a new folder")
            try:
                for member in accepted:
                    _unpack(archive, member, into, path)
                return _entries(into, path)
            except BaseException:
                for child in into.iterdir():
                    shutil.rmtree(child)
                if made:
                    into.rmdir()
                raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error) as error:
        raise BadInputError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise BadInputError(f"{error.filename or into} cannot be written: {error.strerror}") from None


def _opened(path: Path) -> zipfile.ZipFile:
    """Open the archive after a look at its end: `zipfile` would read a directory of any size into memory."""
    try:
        size = path.stat().st_size
        if size > MAX_ARCHIVE_BYTES:
            raise BadInputError(f"{path} has {size:,} bytes, more than {MAX_ARCHIVE_BYTES:,}")
        with path.open("rb") as stream:
            stream.seek(max(0, size - _END.size - _LONGEST_COMMENT - _LOCATOR_BYTES))
            tail = stream.read()
        start = len(tail) - _END.size
        if start < 0 or tail[start : start + 4] != _END_SIGNATURE or tail[-2:] != b"\0\0":
            start = tail.rfind(_END_SIGNATURE)
        if start < 0 or start + _END.size > len(tail):
            raise BadInputError(f"{path} is no zip archive", "make one with: ck zip 'local:experiment:NAME'")
        _, _, _, _, count, directory_bytes, _, _ = _END.unpack_from(tail, start)
        wide = tail[max(0, start - _LOCATOR_BYTES) : start].startswith(_LOCATOR_64)
        if wide or count > MAX_MEMBERS or directory_bytes > _MAX_DIRECTORY_BYTES:
            raise BadInputError(f"{path} holds more than {MAX_MEMBERS:,} files", "pack fewer entries at once")
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError) as error:
        raise BadInputError(f"{path} is damaged: {error}") from None
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None


def _judged(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """The members to unpack; the first one that may not be there ends it.

    Raises:
        BadInputError: naming the member and what is wrong with it.
    """
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise BadInputError(f"{path} holds more than {MAX_MEMBERS:,} files", "pack fewer entries at once")
    seen: dict[str, str] = {}
    total_bytes = 0
    accepted = []
    for member in members:
        wrong = _wrong_with(member)
        name = member.filename
        folded = name.rstrip("/").casefold()
        if not wrong and folded in seen:
            wrong = "is there twice" if seen[folded] == name else f"differs from {seen[folded]} only in case"
        seen[folded] = name
        total_bytes += member.file_size
        if not wrong and total_bytes > MAX_TOTAL_BYTES:
            wrong = f"brings the archive above {MAX_TOTAL_BYTES:,} bytes unpacked"
        if wrong:
            raise BadInputError(f"{path.name}: {_shown(name)} {wrong}", "only entries made by `ck zip` are taken")
        if not name.endswith("/") and not CACHE.fullmatch(name):
            accepted.append(member)
    if not accepted:
        raise BadInputError(f"{path.name} holds no experiment entry", "see: ck ls 'local:experiment:*'")
    ordered = sorted(members, key=lambda member: member.header_offset)
    ends = [member.header_offset + _LOCAL_HEADER_BYTES + member.compress_size for member in ordered]
    starts = [member.header_offset for member in ordered[1:]] + [archive.start_dir]
    for member, end, following in zip(ordered, ends, starts, strict=True):
        if end > following:
            raise BadInputError(f"{path.name}: {_shown(member.filename)} overlaps what follows it")
    return accepted


def _wrong_with(member: zipfile.ZipInfo) -> str:
    """What is wrong with one member, in words that follow its name; empty where nothing is."""
    name, size_bytes = member.filename, member.file_size
    folder = name.endswith("/")
    kind = stat.S_IFMT(member.external_attr >> 16)
    expected = FOLDERS.fullmatch(name) if folder else FILES.fullmatch(name) or CACHE.fullmatch(name)
    rules = (
        (name == member.orig_filename, "hides a part of its name"),
        (expected, "is no file of an experiment entry"),
        (kind in (0, stat.S_IFDIR if folder else stat.S_IFREG), "is a link or a special file"),
        (not member.flag_bits & _ENCRYPTED, "is encrypted"),
        (member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), "is compressed in a way CK has not"),
        (not (folder and size_bytes), "is a folder with content"),
        (size_bytes <= MAX_MEMBER_BYTES, f"has {size_bytes:,} bytes, more than {MAX_MEMBER_BYTES:,}"),
        (
            size_bytes <= max(_SMALL_BYTES, MAX_RATIO * member.compress_size),
            f"unpacks to more than {MAX_RATIO} times its size",
        ),
    )
    return next((words for holds, words in rules if not holds), "")


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path, path: Path) -> None:
    """Write one member; what comes out of it is counted, whatever its header says."""
    target = into / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as stream, archive.open(member) as packed:
        written_bytes = 0
        while chunk := packed.read(_CHUNK_BYTES):
            written_bytes += len(chunk)
            if written_bytes > member.file_size:
                raise BadInputError(f"{path.name}: {_shown(member.filename)} is larger than it says")
            stream.write(chunk)
    if written_bytes != member.file_size:
        raise BadInputError(f"{path.name}: {_shown(member.filename)} is smaller than it says")


def _entries(repository: Path, path: Path) -> tuple[Path, ...]:
    """Folders of the entries, after a look at their names.

    Raises:
        BadInputError: there are none, one lacks its meta, or an alias file does not fit.
    """
    module = repository / MODULE
    folders = sorted(child for child in module.iterdir() if child.name != ".cm") if module.is_dir() else []
    if not folders:
        raise BadInputError(f"{path.name} holds no experiment entry", "see: ck ls 'local:experiment:*'")
    aliases = {file.name for file in (module / ".cm").glob("alias-*")}
    for folder in folders:
        if not (folder / ".cm" / "meta.json").is_file():
            raise BadInputError(f"{path.name}: the entry {folder.name} has no .cm/meta.json")
        if UID.fullmatch(folder.name) and f"alias-a-{folder.name}" not in aliases:
            continue
        uid = _alias(module, f"alias-a-{folder.name}")
        if not UID.fullmatch(uid) or _alias(module, f"alias-u-{uid}") != folder.name:
            raise BadInputError(f"{path.name}: the entry {folder.name} has no fitting alias files")
        aliases -= {f"alias-a-{folder.name}", f"alias-u-{uid}"}
    if aliases:
        raise BadInputError(f"{path.name}: {_shown(min(aliases))} belongs to no entry in it")
    return tuple(folders)


def _alias(module: Path, name: str) -> str:
    file = module / ".cm" / name
    if not file.is_file() or file.stat().st_size > _ALIAS_BYTES:
        return ""
    return file.read_text(encoding="ascii", errors="replace").strip()


def _shown(name: str) -> str:
    """A hostile name, safe to print: no control characters, bounded."""
    return repr(name[:120])
