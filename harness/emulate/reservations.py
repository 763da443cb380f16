"""Who may use what, and when, agreed between processes: times booked one behind the other in a shared file.

A line of instants on the monotonic clock, which all processes of a machine share: the instant at which each thing (the
air of a wireless network, a device) is free again. Whoever needs one books the next free time of it under a lock, so no
two bookings of a thing overlap, whichever processes make them.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

_CELL: Final = struct.Struct("=d")
LONGEST_S: Final = 600.0
"""A booking further ahead is of another start of the machine, whose clock has begun anew."""


class Booking(NamedTuple):
    """Seconds on the monotonic clock."""

    begin_s: float
    end_s: float


class Reservations:
    """Bookings of so many things, in a file that is made where it is missing.

    Args:
        path: of the file; its folder is made, too.
        things: how many there are.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, things: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._things = things
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # The lock of a file is one for all threads that share its descriptor.
        self._threads = threading.Lock()
        with self._locked():
            if os.fstat(self._file).st_size < things * _CELL.size:
                os.ftruncate(self._file, things * _CELL.size)

    @property
    def identity(self) -> str:
        """Tells this file from every other of the machine."""
        status = os.fstat(self._file)
        return f"{status.st_dev:x}.{status.st_ino:x}"

    def book(self, thing: int, seconds: float, from_s: float) -> Booking:
        """Take the next free time of a thing.

        Args:
            thing: which, from 0.
            seconds: for how long.
            from_s: not before this instant.
        """
        if not 0 <= thing < self._things:
            raise ValueError(f"there are {self._things} things, not {thing + 1}")
        at = thing * _CELL.size
        with self._locked():
            (free_s,) = _CELL.unpack(os.pread(self._file, _CELL.size, at))
            begin_s = max(from_s, free_s) if free_s <= from_s + LONGEST_S else from_s
            os.pwrite(self._file, _CELL.pack(begin_s + seconds), at)
        return Booking(begin_s, begin_s + seconds)

    def clear(self) -> None:
        """Everything is free."""
        with self._locked():
            os.pwrite(self._file, bytes(self._things * _CELL.size), 0)

    def close(self) -> None:
        """Let go of the file; what is booked stays booked."""
        os.close(self._file)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._threads:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
