"""What a node counts and times during one run."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import psutil

from harness.plan.table import Share

_KEPT_SAMPLES = 4096
_KEPT_ERRORS = 20


class RunStatistics:
    """Counters of one run, begun anew by the `begin` message.

    Times are kept for the most recent 4,096 frames, so that memory stays bounded in a run of any length.

    Args:
        run: its name.
        late: how often this machine was slower than the device that it imitates, since the node began.
    """

    def __init__(self, run: str, late: Callable[[], int] = lambda: 0) -> None:
        self.run = run
        self._late = late
        self._late_before = late()
        self.received = 0
        self.computed = 0
        self.sent = 0
        self.duplicates = 0
        self.refused = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self._compute_s: deque[float] = deque(maxlen=_KEPT_SAMPLES)
        self._queue_s: deque[float] = deque(maxlen=_KEPT_SAMPLES)
        self._shares: Counter[Share] = Counter()
        self._errors: deque[str] = deque(maxlen=_KEPT_ERRORS)
        self._process = psutil.Process()
        self._began_s = time.monotonic()
        self._cpu_before_s = self._cpu_s()

    def frame(self, share: Share, queue_s: float, compute_s: float) -> None:
        """Count one computation: of what, how long the frame waited, how long it took."""
        self.computed += 1
        self._shares[share] += 1
        self._queue_s.append(queue_s)
        self._compute_s.append(compute_s)

    def error(self, text: str) -> None:
        """Keep an error for whoever asks later (the most recent 20)."""
        self._errors.append(text)

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def to_message(self) -> dict[str, Any]:
        """The Avro record `NodeStatistics`."""
        return {
            "run": self.run,
            "received": self.received,
            "computed": self.computed,
            "sent": self.sent,
            "duplicates": self.duplicates,
            "refused": self.refused,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "cpu_s": self._cpu_s() - self._cpu_before_s,
            "wall_s": time.monotonic() - self._began_s,
            "rss_bytes": self._process.memory_info().rss,
            "compute_s": list(self._compute_s),
            "queue_s": list(self._queue_s),
            "late": self._late() - self._late_before,
            "errors": list(self._errors),
            "shares": [
                {"role": share.role, "part": share.part, "computed": count} for share, count in self._shares.items()
            ],
        }
