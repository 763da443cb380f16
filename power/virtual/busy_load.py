"""A modelled farm whose devices tell by themselves how long they have computed, in a file: imitated devices.

For each device the file holds three floats of eight bytes in the machine's order: seconds of computing that has ended,
the instant of the monotonic clock since which the device computes (0 while it idles), and how long it will at most.
Writers and readers lock it.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

from power.errors import PowerError
from power.virtual.farm_load import FarmLoad
from power.virtual.loads import finite, parse_options

_CELL = struct.Struct("=ddd")
_OPTIONS = {"devices", "idle", "busy"}


class BusyFile:
    """The file of busy times.

    Args:
        path: of the file.

    Raises:
        PowerError: it cannot be read, or holds no whole number of devices.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise PowerError(f"load busy: {path} cannot be read: {error.strerror}") from error
        self._clock = clock
        size = os.fstat(self._file).st_size
        if not size or size % _CELL.size:
            raise PowerError(f"load busy: {path} holds no busy times of devices")
        self.devices = size // _CELL.size

    def busy_s(self, number: int) -> float | None:
        """Seconds for which a device has computed until now; None where there is no such device.

        Args:
            number: of the device, from 1.
        """
        if not 0 < number <= self.devices:
            return None
        fcntl.flock(self._file, fcntl.LOCK_SH)
        try:
            ended_s, since_s, most_s = _CELL.unpack(os.pread(self._file, _CELL.size, (number - 1) * _CELL.size))
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        passed_s = min(max(0.0, self._clock() - since_s), most_s) if since_s else 0.0
        return float(ended_s + passed_s)


def parse_busy(text: str, began_s: float) -> FarmLoad:
    """Read ``busy:FILE,devices=N,idle=W,busy=W``.

    Args:
        text: the load; `devices` idle all the time, those of the file take `busy` watts more while they compute.
        began_s: the monotonic instant that is second 0 of the load.

    Raises:
        PowerError: the text is no such load, or the file is none.
    """
    path, _, tail = text.removeprefix("busy:").partition(",")
    options = parse_options(tail, "load busy")
    if set(options) != _OPTIONS:
        raise PowerError("load busy needs devices, idle and busy", "busy:FILE,devices=5,idle=1.3,busy=5.2")
    if not options["devices"].isdecimal():
        raise PowerError(f"load busy devices: {options['devices']!r} is not a whole number")
    file = BusyFile(Path(path))
    return FarmLoad(
        range(1, file.devices + 1),
        began_s,
        devices=int(options["devices"]),
        idle_w=finite(options["idle"], "load busy idle"),
        busy_w=finite(options["busy"], "load busy busy"),
        clock=file.busy_s,
    )
