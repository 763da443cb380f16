"""What the plot of one power trace shows (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.metrics import written
from harness.records.trace_line import broken_line
from power.integral import gap_limit_s
from power.phases import Phase
from power.recording import Recording
from power.trace import FLAGS

MOST_POINTS = 6000
"""A longer trace is thinned for the plot: least and greatest value of each stretch stay."""

_ROOM = 0.05
"""Share of a range that is left free beside what is shown."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tick:
    """A sample without a value.

    Attributes:
        at_s: seconds from the begin of the window.
        flag: the word in the trace.
        meaning: what it stands for.
    """

    at_s: float
    flag: str
    meaning: str


@dataclass(frozen=True)
class BaselineLine:
    """Idle power as a line with its 95 % band, watts at two instants.

    Attributes:
        at_s: begin and end, seconds from the begin of the window.
        mean_w: watts there.
        u_w: half width of the band at the middle of the run.
    """

    at_s: tuple[float, float]
    mean_w: tuple[float, float]
    u_w: float


@dataclass(frozen=True)
class TraceSeries:
    """One trace, in seconds from the begin of the measured window.

    Attributes:
        at_s: good samples; None where the line breaks at a gap.
        power_w: their watts; None likewise.
        phases: idle before, run, idle after, on the same clock.
        gaps: begin and end of each stretch that no line bridges.
        ticks: samples without a value.
        baseline: None where the energy has none.
        samples: number of good samples in the trace.
        thinned: not all of them are in `at_s`.
        virtual: the power is made up.
    """

    at_s: tuple[float | None, ...]
    power_w: tuple[float | None, ...]
    phases: tuple[Phase, ...]
    gaps: tuple[tuple[float, float], ...]
    ticks: tuple[Tick, ...]
    baseline: BaselineLine | None
    samples: int
    thinned: bool
    virtual: bool

    @property
    def view_s(self) -> tuple[float, float]:
        """The part that is shown at first, seconds: the phases and a little on either side."""
        if self.phases:
            begin_s, end_s = self.phases[0].begin_s, self.phases[-1].end_s
        else:
            known_s = [at_s for at_s in self.at_s if at_s is not None] or [0.0, 1.0]
            begin_s, end_s = known_s[0], known_s[-1]
        room_s = _ROOM * (end_s - begin_s)
        return begin_s - room_s, end_s + room_s

    @property
    def view_w(self) -> tuple[float, float]:
        """Least and greatest watts in that part, with some room."""
        begin_s, end_s = self.view_s
        pairs = zip(self.at_s, self.power_w, strict=True)
        seen_w = [w for at_s, w in pairs if at_s is not None and w is not None and begin_s <= at_s <= end_s]
        if self.baseline is not None:
            seen_w += [w + side * self.baseline.u_w for w in self.baseline.mean_w for side in (-1, 1)]
        if not seen_w:
            return 0.0, 1.0
        room_w = _ROOM * (max(seen_w) - min(seen_w)) or _ROOM * abs(seen_w[0]) or 1.0
        return min(seen_w) - room_w, max(seen_w) + room_w

    @property
    def trimmed(self) -> bool:
        """The trace goes on outside of what is shown at first."""
        known_s = [at_s for at_s in self.at_s if at_s is not None]
        begin_s, end_s = self.view_s
        return bool(known_s) and (known_s[0] < begin_s or known_s[-1] > end_s)

    @property
    def summary(self) -> str:
        """The plot in words, for those who cannot see it."""
        kind = "Virtual power trace" if self.virtual else "Power trace"
        phases = ", ".join(f"{phase.name} {phase.duration_s:.1f} s" for phase in self.phases)
        idle = ""
        if self.baseline is not None:
            middle_w = sum(self.baseline.mean_w) / 2
            idle = f" Idle power {written(middle_w, self.baseline.u_w)} W."
        return (
            f"{kind} of {self.samples} good samples: {phases}.{idle} {len(self.gaps)} gaps, "
            f"{len(self.ticks)} samples without a value."
        )


def series_of(recording: Recording, energy: dict[str, Any], most_points: int = MOST_POINTS) -> TraceSeries:
    """Turn a recording into what is drawn.

    Args:
        recording: trace and phases.
        energy: document of the energy that was made from it.
        most_points: samples that are drawn at most, about.
    """
    trace, phases = recording.trace, recording.phases
    start_s = _start(recording)
    good = trace.good
    at_s, watts = trace.at_s[good] - start_s, trace.power_w[good]
    limit_s = gap_limit_s(trace)
    line_s, line_w, drawn = broken_line(at_s, watts, limit_s, most_points)
    return TraceSeries(
        at_s=tuple(line_s),
        power_w=tuple(line_w),
        phases=tuple(Phase(phase.name, phase.begin_s - start_s, phase.end_s - start_s) for phase in phases),
        gaps=_gaps(
            at_s, [phase.begin_s - start_s for phase in phases], [phase.end_s - start_s for phase in phases], limit_s
        ),
        ticks=tuple(
            Tick(float(trace.at_s[index] - start_s), flag, FLAGS[flag])
            for index, flag in enumerate(trace.flags)
            if flag
        ),
        baseline=_baseline(energy, phases, start_s),
        samples=len(at_s),
        thinned=drawn < len(at_s),
        virtual=not trace.meter.measured,
    )


def _start(recording: Recording) -> float:
    """Begin of the run; of what there is where no run was marked."""
    for phase in recording.phases:
        if phase.name == "run":
            return phase.begin_s
    if recording.phases:
        return recording.phases[0].begin_s
    return float(recording.trace.at_s[0]) if len(recording.trace) else 0.0


def _gaps(
    at_s: Array, begins_s: Sequence[float], ends_s: Sequence[float], limit_s: float
) -> tuple[tuple[float, float], ...]:
    """Stretches without a good sample, those at the begin of the first phase and the end of the last included."""
    borders_s = np.sort(np.concatenate([at_s, begins_s[:1], ends_s[-1:]]))
    wide = np.flatnonzero(np.diff(borders_s) > limit_s)
    return tuple((float(borders_s[index]), float(borders_s[index + 1])) for index in wide)


def _baseline(energy: dict[str, Any], phases: tuple[Phase, ...], start_s: float) -> BaselineLine | None:
    """The line through the idle phases, from the begin of the first phase to the end of the last."""
    idle = energy["baseline"]
    if idle is None or not phases:
        return None
    run = next((phase for phase in phases if phase.name == "run"), None)
    begin_s, end_s = phases[0].begin_s, phases[-1].end_s
    middle_s = (begin_s + end_s) / 2 if run is None else run.middle_s
    slope = idle["drift_w_per_s"] or 0.0
    ends_w = [idle["mean_w"] + slope * (at_s - middle_s) for at_s in (begin_s, end_s)]
    return BaselineLine((begin_s - start_s, end_s - start_s), (ends_w[0], ends_w[1]), idle["u_w"])
