"""How long each device has computed until now, kept in a file that the virtual power analyzer reads.

The layout is that of `power.virtual.busy_load`: for each device three floats, seconds of what has ended, the instant of
the monotonic clock since which it computes (0 while it idles), and how long that will take.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_CELL: Final = struct.Struct("=ddd")


class BusyBook:
    """The file, of which each node writes the place of its own device.

    Args:
        path: of the file, which is made where it is missing.
        devices: how many there are.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, devices: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < devices * _CELL.size:
            os.ftruncate(self._file, devices * _CELL.size)

    def write(self, device: int, ended_s: float, since_s: float = 0.0, most_s: float = 0.0) -> None:
        """Tell of a device.

        Args:
            device: which, from 0.
            ended_s: seconds of all that has ended.
            since_s: when the present block began, monotonic clock; 0 for none.
            most_s: how long that block takes.
        """
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            os.pwrite(self._file, _CELL.pack(ended_s, since_s, most_s), device * _CELL.size)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
