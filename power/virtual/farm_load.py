"""A modelled farm: idle watts for each device, and watts for each CPU second that its node processes really use."""

from __future__ import annotations

import bisect
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from power.errors import PowerError
from power.virtual.loads import finite, parse_options

PI3_IDLE_W = 1.3
"""Raspberry Pi 3 idle, watts (hardware table of the Musical Chair paper; its 5-device static bar gives 1.30 too)."""
PI3_BUSY_W = (6.5 - PI3_IDLE_W) / 4
"""Watts above idle for one busy core of a Pi 3: 6.5 W at full load on 4 cores (same table)."""
TX2_IDLE_W = 5.0
"""Jetson TX2 idle, watts (same table; the static bars of its figures give 5.7 W for the whole board)."""
TX2_BUSY_W = (15.0 - TX2_IDLE_W) / 6
"""Watts above idle for one busy core of a TX2: 15 W at full load over 2 + 4 cores (same table; that includes a GPU)."""
DEVICES = {"pi3": (PI3_IDLE_W, PI3_BUSY_W), "tx2": (TX2_IDLE_W, TX2_BUSY_W)}
"""Kind of device -> idle watts of a device, watts of a busy core."""

_SAMPLE_S = 0.2  # besides the samples that each question takes
_READ_S = 0.5  # while questions come the thread only looks after them: it shares the cores that the load is about
_KEPT = 500_000  # samples: nearly three hours
_CPUCLOCK_SCHED = 2
_OPTIONS = {"device", "devices", "idle", "busy"}


def cpu_seconds(pid: int) -> float | None:
    """CPU seconds that all threads of a process have used, to the nanosecond; None when it is gone.

    The clock id of another process is made as clock_getcpuclockid(3) does on Linux: the counters of /proc only
    move in ticks of 10 ms, a tenth of a meter's interval.
    """
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except (OSError, OverflowError):
        return None


class FarmLoad:
    """Power of a modelled farm; it samples the CPU clocks of its processes in a thread from `start` to `close`.

    Args:
        pids: the node processes; none is a farm that idles.
        began_s: the monotonic instant that is second 0 of the load.
        devices: how many devices idle; None counts the processes.
        idle_w: watts of one idle device.
        busy_w: watts of one busy core, above idle.
        clock: CPU seconds of a process until now; None when it is gone.

    Raises:
        PowerError: a process does not exist, or neither processes nor devices are given.
    """

    def __init__(
        self,
        pids: Iterable[int],
        began_s: float,
        *,
        devices: int | None = None,
        idle_w: float = PI3_IDLE_W,
        busy_w: float = PI3_BUSY_W,
        clock: Callable[[int], float | None] = cpu_seconds,
    ) -> None:
        pids = tuple(pids)
        if not pids and devices is None:
            raise PowerError("load farm: no process is named", "give the pids of running nodes, or devices= that idle")
        self.idle_w = idle_w
        self.busy_w = busy_w
        self._clock = clock
        self._began_s = began_s
        self._lock = threading.Lock()
        self._last: dict[int, float] = {}
        self._used_s = 0.0
        self._at_s: list[float] = []
        self._cpu_s: list[float] = []
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._watch(pids)
        self.devices = len(self._last) if devices is None else devices
        self._sample()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that are watched."""
        return tuple(self._last)

    def start(self) -> None:
        """Begin to sample."""
        self._thread = threading.Thread(target=self._run, name="farm-load", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the sampling."""
        self._ending.set()
        if self._thread:
            self._thread.join()

    def watch(self, pids: Iterable[int]) -> None:
        """Change the processes; what the former ones used until now stays counted, the number of devices stays.

        Raises:
            PowerError: there is no such process.
        """
        self._sample()
        self._watch(tuple(pids))

    def power_w(self, at_s: float) -> float:
        """Watts at an instant, over one sampling interval around it."""
        half = _SAMPLE_S / 2
        return self.energy_j(at_s - half, at_s + half) / _SAMPLE_S

    def energy_j(self, begin_s: float, end_s: float) -> float:
        """Joules between two instants, in seconds since the start of the load."""
        return self.idle_w * self.devices * (end_s - begin_s) + self.dynamic_j(begin_s, end_s)

    def dynamic_j(self, begin_s: float, end_s: float) -> float:
        """The modelled truth about the dynamic energy: watts of a busy core times CPU seconds between two instants."""
        return self.busy_w * (self.used_s(end_s) - self.used_s(begin_s))

    def used_s(self, at_s: float) -> float:
        """CPU seconds used since the start until an instant, on a straight line between samples.

        Raises:
            PowerError: the instant is older than what is kept.
        """
        if at_s > self._at_s[-1]:
            self._sample()
        with self._lock:
            after = bisect.bisect_right(self._at_s, at_s)
            if after == len(self._at_s):
                return self._cpu_s[-1]
            if after == 0:
                if at_s <= 0 or self._cpu_s[0] == 0:
                    return 0.0  # nothing was counted before the start
                raise PowerError(f"the load at {at_s:.1f} s is no longer kept")
            begin_s, end_s = self._at_s[after - 1], self._at_s[after]
            share = (at_s - begin_s) / (end_s - begin_s)
            return self._cpu_s[after - 1] + share * (self._cpu_s[after] - self._cpu_s[after - 1])

    def _watch(self, pids: tuple[int, ...]) -> None:
        begun = {pid: self._clock(pid) if pid > 0 else None for pid in pids}
        gone = [str(pid) for pid, seconds in begun.items() if seconds is None]
        if gone:
            raise PowerError(f"load farm: no process {', '.join(gone)}", "give the pids of running nodes")
        with self._lock:
            self._last = {pid: seconds for pid, seconds in begun.items() if seconds is not None}

    def _sample(self) -> None:
        with self._lock:
            at_s = time.monotonic() - self._began_s
            for pid, last_s in self._last.items():
                now_s = self._clock(pid)
                # A process that ended keeps what it had used; a clock that falls belongs to another process.
                if now_s is not None:
                    self._used_s += max(0.0, now_s - last_s)
                    self._last[pid] = now_s
            if self._at_s and at_s <= self._at_s[-1]:
                self._cpu_s[-1] = self._used_s
                return
            self._at_s.append(at_s)
            self._cpu_s.append(self._used_s)
            if len(self._at_s) > _KEPT:
                del self._at_s[: _KEPT // 2], self._cpu_s[: _KEPT // 2]

    def _run(self) -> None:
        wait_s = _SAMPLE_S
        while not self._ending.wait(wait_s):
            asked = time.monotonic() - self._began_s - self._at_s[-1] < wait_s
            if not asked:
                self._sample()
            wait_s = _READ_S if asked else _SAMPLE_S


def parse_pids(text: str) -> tuple[int, ...]:
    """Read ``pid+pid``, or a file with pids: one on each line, or a JSON list of pids or of objects with "pid".

    Raises:
        PowerError: it holds no pids.
    """
    if all(part.isdecimal() for part in text.split("+")):
        return tuple(int(part) for part in text.split("+"))
    try:
        content = Path(text).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise PowerError(f"load farm: {text!r} is neither pid+pid nor a readable file") from error
    try:
        document = json.loads(content) if content.lstrip().startswith("[") else content.split()
        pids = tuple(int(entry["pid"] if isinstance(entry, dict) else entry) for entry in document)
    except (ValueError, KeyError, TypeError) as error:
        raise PowerError(f"load farm: {text} holds no list of pids") from error
    if not pids:
        raise PowerError(f"load farm: {text} holds no pid")
    return pids


def parse_farm(text: str, began_s: float) -> FarmLoad:
    """Read ``farm:[PIDS][,device=pi3|tx2][,devices=N][,idle=W][,busy=W]``.

    Args:
        text: the load; PIDS as `parse_pids` takes them.
        began_s: the monotonic instant that is second 0 of the load.

    Raises:
        PowerError: the text is no such load, or a process does not exist.
    """
    pids_text, _, tail = text.removeprefix("farm:").partition(",")
    options = parse_options(tail, "load farm")
    unknown = set(options) - _OPTIONS
    if unknown:
        raise PowerError(f"load farm does not know {', '.join(sorted(unknown))}", f"it knows {sorted(_OPTIONS)}")
    device = options.get("device", "pi3")
    if device not in DEVICES:
        raise PowerError(f"load farm: no device {device!r}", f"one of {', '.join(DEVICES)}")
    idle_w, busy_w = DEVICES[device]
    count = options.get("devices")
    if count is not None and not count.isdecimal():
        raise PowerError(f"load farm devices: {count!r} is not a whole number")
    return FarmLoad(
        parse_pids(pids_text) if pids_text else (),
        began_s,
        devices=None if count is None else int(count),
        idle_w=finite(options["idle"], "load farm idle") if "idle" in options else idle_w,
        busy_w=finite(options["busy"], "load farm busy") if "busy" in options else busy_w,
    )
