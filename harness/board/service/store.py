"""The files of a scoreboard: contents by their SHA-256, and a journal of what was taken and what was taken back.

Nothing here is ever changed or deleted: a content is written once, the journal only grows. The journal's line is the
moment from which a record is kept; whatever was written before it without a line is rubbish that harms nobody.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from harness.errors import BadInputError, NotFoundError
from harness.records.canonical import canonical
from harness.records.store import write_whole

_LOG = logging.getLogger(__name__)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_JOURNAL = "journal.jsonl"
_LONGEST_LINE = 4 * 1024 * 1024
_FREE_BYTES = 256 * 1024 * 1024


class StoreError(BadInputError):
    """The scoreboard cannot keep what it is given; the message names no folder, since uploaders read it."""


class Store:
    """A folder of contents with its journal; several threads and processes may use one folder.

    Args:
        folder: is made if it does not exist.

    Raises:
        BadInputError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / _JOURNAL
        try:
            for name in ("contents", "partial", "tokens"):
                (folder / name).mkdir(parents=True, exist_ok=True)
            # Uploads and hashes of tokens are nobody else's business.
            for name in ("partial", "tokens"):
                (folder / name).chmod(0o700)
            self.journal.touch()
        except OSError as error:
            raise BadInputError(f"{folder} cannot be written: {error.strerror}", "choose another folder") from None

    def require_room(self, size_bytes: int) -> None:
        """See that a file of this size can be kept.

        Raises:
            StoreError: the disk is nearly full.
        """
        if shutil.disk_usage(self.folder).free < size_bytes + _FREE_BYTES:
            raise StoreError("the scoreboard has no room for more files", "tell whoever keeps it")

    def keep(self, content: bytes) -> str:
        """Write a content, once, and return its SHA-256; when this returns, it outlives a power cut.

        Raises:
            StoreError: it cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not path.exists():
            try:
                write_whole(path, content)
            except BadInputError as error:
                _LOG.error("%s", error)
                raise StoreError("the scoreboard cannot write its files", "tell whoever keeps it") from None
        return digest

    def content(self, digest: str) -> Path:
        """The file of a content.

        Raises:
            NotFoundError: there is none; nothing but 64 hexadecimal digits becomes a path.
        """
        path = self._path(digest) if _SHA256.fullmatch(digest) else None
        if path is None or not path.is_file():
            raise NotFoundError("a file of this record is not in the store", "tell whoever keeps the scoreboard")
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes the journal meanwhile, in no thread and no process."""
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def append(self, event: dict[str, Any]) -> None:
        """Enter an event; when this returns, it outlives a power cut. Call it within `locked`.

        Raises:
            StoreError: the journal cannot be written; then it holds nothing of the event.
        """
        line = canonical(event)
        if len(line) > _LONGEST_LINE:
            raise StoreError("the record says more than the scoreboard's journal takes", "send less of it")
        try:
            descriptor = os.open(self.journal, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(descriptor).st_size
                # A writer that was killed in the middle left a line without an end.
                torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                rest = memoryview(b"\n" + line if torn else line)
                try:
                    while rest:
                        rest = rest[os.write(descriptor, rest) :]
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
            finally:
                os.close(descriptor)
        except OSError as error:
            _LOG.error("%s cannot be written: %s", self.journal, error.strerror)
            raise StoreError("the scoreboard cannot write its journal", "tell whoever keeps it") from None

    def lines(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Every whole line from the beginning of one on, with the byte behind it."""
        return lines_between(self.journal, start, self.size)

    @property
    def size(self) -> int:
        """Bytes of the journal."""
        return self.journal.stat().st_size

    def _path(self, digest: str) -> Path:
        return self.folder / "contents" / digest[:2] / digest


def lines_between(journal: Path, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a journal that begin from one byte on and before another, each with the byte behind it."""
    with journal.open("rb") as stream:
        stream.seek(max(0, start - 1))
        position = stream.tell()
        if start:
            position += len(stream.readline())  # the end of a line that begins before, or only its last byte
        while position < end and (line := stream.readline(_LONGEST_LINE)).endswith(b"\n"):
            position += len(line)
            yield position, line


def event_of(line: bytes) -> dict[str, Any] | None:
    """The event of a line that `Store.append` wrote; None for a torn one."""
    try:
        event = from_json(line)  # twice as fast as the standard library's
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
