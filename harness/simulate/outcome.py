"""What comes of a simulated run: the figures of a record, by the same arithmetic, from samples of a simulated clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.plan.cost import Energy
from harness.records.record import FrameSample
from harness.records.statistics import percentile
from harness.records.window import window_metrics


@dataclass(frozen=True)
class Outcome:
    """A simulated window.

    Attributes:
        samples: its frames, as a record has them.
        in_flight: frames under way in the closed loop; None is the open one.
        dropped: frames that were due while the farm was full.
        resent: frames that were sent again.
        late: results that were dropped because another attempt had come first.
        busy: device, by its name -> share of the window in which it computed.
        medium_busy: the same of a shared medium; None where none is shared.
        energy: of a frame; None where the watts of a device are unknown, or nothing came back.
        failures: devices that failed.
        tables: changes of the table.
        messages: that were carried.
        carried_bytes: payload of all of them.
    """

    samples: tuple[FrameSample, ...]
    in_flight: int | None
    dropped: int
    resent: int
    late: int
    busy: dict[str, float]
    medium_busy: float | None
    energy: Energy | None
    failures: int
    tables: int
    messages: int
    carried_bytes: int

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Speed and latencies as in a record; percentiles only where there are samples for them."""
        return window_metrics(self.samples)

    @cached_property
    def latencies_s(self) -> list[float]:
        """Of all frames that came back."""
        return [sample.latency_s for sample in self.samples if sample.latency_s is not None]

    @property
    def sent(self) -> int:
        """Frames that were sent."""
        return len(self.samples)

    @property
    def returned(self) -> int:
        """Frames that came back."""
        return len(self.latencies_s)

    @property
    def ips(self) -> float:
        """Frames per second; 0 where none came back."""
        return self.metrics.get("ips", 0.0)

    @property
    def window_s(self) -> float:
        """First send to last result; 0 where none came back."""
        return self.metrics.get("window_s", 0.0)

    def latency_s(self, percent: int) -> float | None:
        """A percentile; None where there are too few samples for it, or none."""
        return self.metrics.get(f"latency_p{percent}_s")

    def describe(self) -> dict[str, Any]:
        """The figures as plain data."""
        return {
            "frames_sent": self.sent,
            "frames_returned": self.returned,
            "frames_dropped": self.dropped,
            "sent_again": self.resent,
            "late": self.late,
            **self.metrics,
            "in_flight": self.in_flight,
            "busy_median": percentile(list(self.busy.values()), 50),
            "busy_largest": max(self.busy.values()),
            "medium_busy": self.medium_busy,
            "static_j": None if self.energy is None else self.energy.static_j,
            "dynamic_j": None if self.energy is None else self.energy.dynamic_j,
            "energy_j": None if self.energy is None else self.energy.total_j,
            "failures": self.failures,
            "tables": self.tables,
            "messages": self.messages,
            "carried_bytes": self.carried_bytes,
        }
