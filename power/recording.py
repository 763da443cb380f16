"""What a file of a recorded trace holds, and the clock that its lines are written in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction

from power.arithmetic import Pace
from power.meter import MeterInfo
from power.phases import Phase
from power.trace import Trace

FORMAT = "power-trace/1"
COLUMNS = ("t_mono_ns", "t_utc", "power_w", "rtt_us", "flags", "energy_wh", "elapsed_s")
"""Monotonic time in nanoseconds, seconds since 1970, watts, microseconds, a word of `FLAGS`, watt-hours, seconds.
An empty field is a missing value."""
MOST = 1e15
"""A number beyond this is none: seconds, watts and joules of any farm are below."""
METER_FIELDS = tuple(field.name for field in dataclasses.fields(MeterInfo))
"""What the head of a file tells of the meter."""
_NS_PER_S = 10**9


@dataclass(frozen=True)
class Recording:
    """What one file holds.

    Attributes:
        trace: the samples.
        phases: the marked phases, in the order of time.
        frames: verified inferences in the run.
        pace: how fast they came by the clock of their source; None where nobody told.
    """

    trace: Trace
    phases: tuple[Phase, ...]
    frames: int
    pace: Pace | None = None


def to_ns(at_s: float) -> int:
    """Seconds on the monotonic clock as whole nanoseconds, rounded exactly."""
    return round(Fraction(at_s) * _NS_PER_S)


def to_s(at_ns: int) -> float:
    """Whole nanoseconds as seconds: the nearest float. `to_ns` gives them back for 97 days of uptime."""
    return at_ns / _NS_PER_S
