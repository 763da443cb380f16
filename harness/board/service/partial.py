"""Uploads under way: what has come so far stays on disk, so that a cut costs only what had not arrived."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.board.service.limits import RefusedError
from harness.errors import BadInputError

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
UNPACKED = "unpacked-"
"""What folders of uploads at work begin with."""
_ABANDONED_S = 7 * 24 * 3600.0


class Partials:
    """Parts of archives, by uploader and by SHA-256 of the whole.

    Args:
        folder: where they lie; one folder for each uploader.
        most: how many one uploader may have.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._held: set[Path] = set()

    def sweep(self) -> None:
        """Throw away what nobody has sent anything to for a week, and what a killed service left in the middle."""
        for left in self._folder.glob(f"*/{UNPACKED}*"):
            shutil.rmtree(left, ignore_errors=True)
        for path in self._folder.glob("*/*.part"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()

    @contextmanager
    def workplace(self, owner: str) -> Iterator[Path]:
        """An empty folder for one upload, gone after the block."""
        folder = self._folder / owner
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=UNPACKED) as made:
            yield Path(made)

    def size(self, owner: str, digest: str) -> int:
        """Bytes that have come so far.

        Raises:
            RefusedError: the digest is none.
        """
        path = self._path(owner, digest)
        return path.stat().st_size if path.exists() else 0

    @contextmanager
    def held(self, owner: str, digest: str) -> Iterator[Path]:
        """The file of one upload, for one request at a time.

        Raises:
            RefusedError: the digest is none, another request is writing to it, or the uploader has too many.
        """
        path = self._path(owner, digest)
        if path in self._held:
            raise RefusedError(409, "this upload is being received already", "try again in a second")
        path.parent.mkdir(exist_ok=True)
        if not path.exists() and len(list(path.parent.glob("*.part"))) >= self._most:
            raise RefusedError(
                429, f"{self._most} interrupted uploads are waiting already", "finish one of them, or wait a week"
            )
        self._held.add(path)
        try:
            yield path
        finally:
            self._held.discard(path)

    @contextmanager
    def whole(self, path: Path, digest: str) -> Iterator[Path]:
        """A complete upload, which is thrown away after the block: it was taken in, or it is none.

        Raises:
            RefusedError: its SHA-256 is another.
        """
        try:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != digest:
                raise RefusedError(
                    422, f"the archive has the SHA-256 {found}, not {digest}", "send it again from the beginning"
                )
            yield path
        except BadInputError:
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)

    def _path(self, owner: str, digest: str) -> Path:
        if not _SHA256.fullmatch(digest):
            raise RefusedError(
                400, "an upload is named by the SHA-256 of its archive", "64 hexadecimal digits, in small letters"
            )
        return self._folder / owner / f"{digest}.part"


def settle(path: Path) -> int:
    """Bring what was received to the disk; returns its bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
