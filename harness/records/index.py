"""The index of a results folder: one line for each record that was filed, only ever appended to.

Each line holds the digest of the line before, so that a line that is taken out or changed shows. The records are the
truth: an index can be made anew from them at any time, and the one that was there is kept beside it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
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
            line = {
                "file": file,
                "record_sha256": record_sha256,
                "at_utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "previous": hashlib.sha256(last).hexdigest() if last else "",
            }
            os.write(descriptor, (b"\n" if torn else b"") + canonical(line))
            os.fdatasync(descriptor)
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
    """Write the index anew; the one that was there is kept.

    Args:
        folder: of the records.
        records: file name and digest of each record, in the order wanted.

    Returns:
        Where the former index is now; None where there was none.
    """
    path = folder / INDEX_FILE
    kept = None
    if path.exists():
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        kept = folder / f"{INDEX_FILE}.{stamp}"
        path.replace(kept)
    for file, digest in records:
        append(folder, file, digest)
    return kept


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A descriptor for appending, held against other writers."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


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
