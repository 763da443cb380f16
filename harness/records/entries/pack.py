"""Packs experiment entries as `ck zip` does, and keeps private what nobody asked to send."""

from __future__ import annotations

import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from harness.errors import BadInputError
from harness.records.canonical import canonical, parse
from harness.records.entries.entry import MODULE, MODULE_UID, RECORDS_FOLDER
from harness.records.entries.names import CACHE, FILES, UID
from harness.records.manifest import TRACE, beside
from harness.records.privacy import Private, to_json

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_zip(entries: Sequence[Path], path: Path, *, private: bool = False, overwrite: bool = False) -> dict[str, str]:
    """Pack entries as `ck zip` does, without the caches of dashboards; the same entries give the same bytes.

    Args:
        entries: folders of experiment entries (`.../experiment/NAME`).
        path: the archive.
        private: whether absolute paths and network addresses go out as they are; else stand-ins take their place.
        overwrite: whether an archive that is there is replaced.

    Returns:
        Private text -> its stand-in; empty with `private`.

    Raises:
        BadInputError: there are no entries, two have one name, one holds what no entry holds, or the archive exists or
            cannot be written.
    """
    if not entries:
        raise BadInputError("there is no entry to pack", "see: ck ls 'local:experiment:*'")
    if path.exists() and not overwrite:
        raise BadInputError(f"{path} already exists", "remove it or choose another name")
    files: dict[str, bytes | Path] = {
        f".cm/alias-a-{MODULE}": f"{MODULE_UID}\n".encode("ascii"),
        f".cm/alias-u-{MODULE_UID}": f"{MODULE}\n".encode("ascii"),
    }
    names = [entry.resolve().name for entry in entries]
    if len(set(names)) != len(names):
        raise BadInputError("two entries of one name cannot be packed together", "pack each on its own")
    for entry in entries:
        files |= _files_of(entry.resolve())
    stand_ins = Private()
    try:
        with _appears_whole(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                member = zipfile.ZipInfo(name, _EPOCH)
                member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, (stat.S_IFREG | 0o644) << 16
                archive.writestr(member, _content(files[name], None if private else stand_ins))
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror}", "choose another folder") from None
    return stand_ins.found


def private_of(entry: Path) -> tuple[str, ...]:
    """Absolute paths and network addresses that a plain `ck zip` of an entry would send, each once.

    Raises:
        BadInputError: as `write_zip`.
    """
    stand_ins = Private()
    for content in _files_of(entry.resolve()).values():
        _content(content, stand_ins)
    return tuple(stand_ins.found)


def _content(file: bytes | Path, stand_ins: Private | None) -> bytes:
    """What goes into the archive for a file; without private parts where there are stand-ins for them."""
    if isinstance(file, bytes):
        return file
    data = file.read_bytes()
    if stand_ins is None:
        return data
    if file.suffix == ".csv":
        return stand_ins.text(data.decode("utf-8")).encode("utf-8")
    document = parse(data, str(file))
    if file.parent.name != RECORDS_FOLDER:
        return to_json(stand_ins.document(document))
    trace = beside(file, TRACE)
    files = {TRACE: _content(trace, stand_ins)} if trace.is_file() else {}
    return canonical(stand_ins.record(document, files))


@contextmanager
def _appears_whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is there when all of it is on the disk, and not before."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _files_of(entry: Path) -> dict[str, bytes | Path]:
    """Member name -> file of one entry, with its alias files.

    Raises:
        BadInputError: it is no entry, or holds what no entry holds.
    """
    if not (entry / ".cm" / "meta.json").is_file():
        raise BadInputError(f"{entry} is no CK entry: it has no .cm/meta.json", "name the folder of one entry")
    files: dict[str, bytes | Path] = {}
    for file in sorted(entry.rglob("*")):
        name = f"{MODULE}/{entry.name}/{file.relative_to(entry).as_posix()}"
        if file.is_symlink() or not (file.is_dir() or file.is_file()):
            raise BadInputError(f"{file} is a link or a special file", "an entry holds plain files")
        if file.is_dir() or CACHE.fullmatch(name) or file.name.startswith("."):
            continue
        if not FILES.fullmatch(name):
            raise BadInputError(f"{file} is no file of an experiment entry", "move it to another folder")
        files[name] = file
    alias = _alias_of(entry)
    if alias:
        files[f"{MODULE}/.cm/alias-a-{entry.name}"] = f"{alias}\n".encode("ascii")
        files[f"{MODULE}/.cm/alias-u-{alias}"] = f"{entry.name}\n".encode("ascii")
    elif not UID.fullmatch(entry.name):
        raise BadInputError(f"{entry} has no alias file in {entry.parent / '.cm'}", "CK would call it inconsistent")
    return files


def _alias_of(entry: Path) -> str:
    """UID from the entry's alias file; empty where there is none."""
    file = entry.parent / ".cm" / f"alias-a-{entry.name}"
    if not file.is_file() or file.is_symlink():
        return ""
    uid = file.read_bytes()[:64].decode("ascii", "replace").strip()
    return uid if UID.fullmatch(uid) else ""
