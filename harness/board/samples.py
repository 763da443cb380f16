"""The raw samples of a record as far as a page draws them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.board.values import is_number
from harness.records.trace_line import broken_line, thin
from power.integral import gap_limit_s
from power.recording import Recording

MOST_POINTS = 4000
"""A longer series is thinned for its plot: the least and the greatest value of each stretch stay."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FrameSeries:
    """Frames of the measured window, in seconds from its begin.

    Attributes:
        done_s: when each verified result was there, ascending; thinned.
        latency_s: send to verified result of the same frames.
        finished_s: when results were there, for the curve of completed frames.
        finished: how many were there by then.
        lost_s: when frames were sent that never had a verified result; the first `MOST_POINTS`.
        verified: number of verified frames.
        sent: number of frames sent.
        thinned: not all verified frames are drawn.
    """

    done_s: tuple[float, ...]
    latency_s: tuple[float, ...]
    finished_s: tuple[float, ...]
    finished: tuple[int, ...]
    lost_s: tuple[float, ...]
    verified: int
    sent: int
    thinned: bool


@dataclass(frozen=True)
class PowerSeries:
    """A power trace, in seconds from the begin of the measured window.

    Attributes:
        at_s: good samples; None where the line breaks at a gap.
        power_w: their watts; None likewise.
        phases: name, begin and end of each marked phase.
        samples: number of good samples in the trace.
        without_value: number of samples that have none.
        thinned: not all of them are drawn.
        virtual: the power is made up.
        meter: what the meter is called; text from elsewhere.
    """

    at_s: tuple[float | None, ...]
    power_w: tuple[float | None, ...]
    phases: tuple[tuple[str, float, float], ...]
    samples: int
    without_value: int
    thinned: bool
    virtual: bool
    meter: str


def frames_of(document: Mapping[str, Any], most: int = MOST_POINTS) -> FrameSeries | None:
    """The frames of a record; None where it has none that can be read.

    Args:
        document: a run record, nothing in it trusted.
        most: points that are drawn at most, about.
    """
    frames, tolerance = document.get("frames"), document.get("tolerance")
    if not isinstance(frames, list) or not is_number(tolerance):
        return None
    done, lost = [], []
    for frame in frames:
        if not isinstance(frame, dict) or not is_number(frame.get("sent_s")):
            return None
        verified_s, error = frame.get("verified_s"), frame.get("error")
        if is_number(verified_s) and is_number(error) and error <= tolerance:
            done.append((float(verified_s), float(verified_s) - float(frame["sent_s"])))
        else:
            lost.append(float(frame["sent_s"]))
    if not done and not lost:
        return None
    done.sort()
    at_s = np.array([one for one, _ in done], dtype=np.float64)
    latency_s = np.array([one for _, one in done], dtype=np.float64)
    kept = thin(latency_s, most)
    steps = np.unique(np.linspace(0, len(done) - 1, min(len(done), most // 2)).astype(np.intp)) if done else kept
    return FrameSeries(
        done_s=tuple(at_s[kept].tolist()),
        latency_s=tuple(latency_s[kept].tolist()),
        finished_s=tuple(at_s[steps].tolist()),
        finished=tuple((steps + 1).tolist()),
        lost_s=tuple(sorted(lost)[:most]),
        verified=len(done),
        sent=len(frames),
        thinned=len(kept) < len(done),
    )


def power_of(recording: Recording, most: int = MOST_POINTS) -> PowerSeries:
    """The trace of a record.

    Args:
        recording: as `power.trace_file.read_trace` gives it.
        most: points that are drawn at most, about.
    """
    trace, phases = recording.trace, recording.phases
    run = next((phase for phase in phases if phase.name == "run"), phases[0] if phases else None)
    start_s = run.begin_s if run else float(trace.at_s[0]) if len(trace) else 0.0
    good = trace.good
    at_s, watts = trace.at_s[good] - start_s, trace.power_w[good]
    line_s, line_w, drawn = broken_line(at_s, watts, gap_limit_s(trace), most)
    return PowerSeries(
        at_s=tuple(line_s),
        power_w=tuple(line_w),
        phases=tuple((phase.name, phase.begin_s - start_s, phase.end_s - start_s) for phase in phases),
        samples=len(at_s),
        without_value=len(trace) - len(at_s),
        thinned=drawn < len(at_s),
        virtual=not trace.meter.measured,
        meter=trace.meter.name,
    )
