"""The index of a results folder: one line for each record that was filed, only ever appended to.

Each line holds the digest of the line before, so that a line that is taken out or changed shows. The records are the
truth: an index can be made anew from them at any time, and the one that was there is kept beside it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import BadInputError
from harness.records.canonical import canonical, parse

INDEX_FILE = "index.jsonl"
_FIELDS = {"file", "previous", "record_sha256", "at_utc"}
_TAIL_BYTES = 65_536


@dataclass(frozen=True)
class Line:
    """A record that was filed.

    Attributes:
        file: its name in the folder.
        record_sha256: its digest.
        at_utc: when it was filed, ISO 8601.
        previous: SHA-256 of the line before; "" for the first.
    """

    file: str
    record_sha256: str
    at_utc: str
    previous: str


def append(folder: Path, file: str, record_sha256: str) -> None:
    """Enter a record; when this returns, the line outlives a power cut.

    A line that an earlier writer left unfinished is ended first, and stays as a torn one.

    Raises:
        BadInputError: the index cannot be written.
    """
    try:
        with _locked(folder / INDEX_FILE) as descriptor:
            last, torn = _last_line(descriptor)
            text = (b"\n" if torn else b"") + _text(file, record_sha256, last)
            _write(descriptor, text)
            if not last:
                _sync_folder(folder)
    except OSError as error:
        raise BadInputError(f"{folder / INDEX_FILE} cannot be written: {error.strerror}") from None


def read_index(folder: Path) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """All lines, and what is wrong with the index, one sentence each; nothing where there is none.

    Raises:
        BadInputError: it cannot be read.
    """
    path = folder / INDEX_FILE
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None
    found: list[Line] = []
    problems: list[str] = []
    previous = ""
    for number, text in enumerate(data.split(b"\n"), start=1):
        if not text:
            continue
        line = _line(text)
        if line is None:
            problems.append(f"line {number} of {INDEX_FILE} is torn or no line of an index")
            # The writer after a torn line chains to it as it stands.
            previous = hashlib.sha256(text).hexdigest()
            continue
        if line.previous != previous:
            problems.append(f"line {number} of {INDEX_FILE} does not follow the one before: a line was changed or lost")
        found.append(line)
        previous = hashlib.sha256(text).hexdigest()
    return tuple(found), tuple(problems)


def rebuild(folder: Path, records: list[tuple[str, str]]) -> Path | None:
    """Write the index anew, at one stroke; the one that was there is kept, and other writers wait.

    Args:
        folder: of the records.
        records: file name and digest of each record, in the order wanted.

    Returns:
        Where the former index is now; None where there was none.

    Raises:
        BadInputError: the index cannot be read or written.
    """
    path = folder / INDEX_FILE
    try:
        with _locked(path):
            return _rebuilt(path, records)
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror}") from None


def _rebuilt(path: Path, records: list[tuple[str, str]]) -> Path | None:
    # What was entered since the records were listed is carried over.
    listed = {file for file, _ in records}
    there = {other.name for other in path.parent.iterdir()}
    lines, _ = read_index(path.parent)
    late = [(line.file, line.record_sha256) for line in lines if line.file in there - listed]
    texts: list[bytes] = []
    for file, digest in [*records, *late]:
        texts.append(_text(file, digest, texts[-1][:-1] if texts else b""))
    kept = None
    if path.stat().st_size:
        kept = path.with_name(f"{INDEX_FILE}.{datetime.now(UTC).strftime('%Y%m%dT%H%M%S%fZ')}")
        shutil.copyfile(path, kept)
    new = path.with_name(f".{INDEX_FILE}.new")  # one at a time: the lock is held
    with new.open("wb") as stream:
        stream.write(b"".join(texts))
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)
    _sync_folder(path.parent)
    return kept


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A descriptor for appending, held against other writers."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                yield descriptor
                return
            # It was made anew while this writer waited for it.
        finally:
            os.close(descriptor)


def _write(descriptor: int, text: bytes) -> None:
    """To the disk, whole; half a line is ended by the next writer."""
    if os.write(descriptor, text) != len(text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fdatasync(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Is the open file the one that has this name now?"""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(file: str, record_sha256: str, last: bytes) -> bytes:
    """A line that follows another one."""
    return canonical(
        {
            "file": file,
            "record_sha256": record_sha256,
            "at_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "previous": hashlib.sha256(last).hexdigest() if last else "",
        }
    )


def _last_line(descriptor: int) -> tuple[bytes, bool]:
    """The last line without its end, and whether it has none."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, min(size, _TAIL_BYTES), max(0, size - _TAIL_BYTES))
    return tail.rstrip(b"\n").rpartition(b"\n")[2], bool(tail) and not tail.endswith(b"\n")


def _line(text: bytes) -> Line | None:
    try:
        document = parse(text, "a line of the index")
    except BadInputError:
        return None
    if not isinstance(document, dict) or set(document) != _FIELDS:
        return None
    if not all(isinstance(value, str) for value in document.values()):
        return None
    return Line(**document)
