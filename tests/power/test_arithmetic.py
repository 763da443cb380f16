"""The paper's power x time: right with the period, refused with the latency of frames that overlap."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from power_traces import PHASES, RUN_W, make, measurement

from power.arithmetic import Pace
from power.energy import analyze
from power.errors import PowerError, TraceError
from power.trace_file import read_trace, write_trace

FRAMES = 600
ALONE = Pace(window_s=60.0, latency_mean_s=0.0999)
OVERLAPPING = Pace(window_s=60.0, latency_mean_s=0.6)


def test_period_agrees_with_the_integral() -> None:
    """Mean power x window / frames is the energy per inference, and the result stays VALID."""
    energy = analyze(measurement(), PHASES, FRAMES, pace=ALONE)
    assert energy.status == "VALID"
    assert energy.arithmetic.period_s == pytest.approx(0.1)
    assert energy.arithmetic.period_j == pytest.approx(RUN_W * 0.1, rel=1e-3)
    assert abs(energy.arithmetic.difference_j) <= energy.arithmetic.bound_j


def test_windows_that_are_not_the_same() -> None:
    """Control: a source whose window is 2 s shorter than the marked one makes the result INVALID, with the reason."""
    energy = analyze(measurement(), PHASES, FRAMES, pace=Pace(window_s=58.0, latency_mean_s=0.6))
    assert energy.status == "INVALID"
    assert any("window of the frames" in reason for reason in energy.reasons)
    assert energy.arithmetic.difference_j == pytest.approx(-2 * RUN_W / FRAMES, rel=0.01)


def test_samples_that_favour_the_bursts() -> None:
    """Control: a plain mean of samples that come oftener under load is off, and is found to be."""
    at_s = np.concatenate(
        [second + np.concatenate([np.arange(0, 0.5, 0.1), np.arange(0.5, 1, 0.02)]) for second in range(125)]
    )
    busy = (at_s % 1 >= 0.5) & (at_s >= 32) & (at_s < 92)
    energy = analyze(make(at_s, np.where(busy, RUN_W, 11.8)), PHASES, FRAMES, pace=ALONE)
    assert not energy.arithmetic.agrees


@pytest.mark.parametrize(("pace", "in_flight"), [(ALONE, 0.999), (OVERLAPPING, 6.0)])
def test_latency_is_refused_where_frames_overlap(pace: Pace, in_flight: float) -> None:
    """Power x latency is given for frames one after the other only; with six in flight the refusal says why."""
    found = analyze(measurement(), PHASES, FRAMES, pace=pace).arithmetic
    assert found.in_flight == pytest.approx(in_flight)
    if in_flight < 1:
        assert found.refused == ""
        assert found.latency_j == pytest.approx(RUN_W * pace.latency_mean_s, rel=1e-3)
    else:
        assert found.latency_j is None
        assert "refused: 6.00 frames" in found.refused
        assert "Little" in found.refused


def test_nothing_to_compare() -> None:
    """Without the source's clock, or without frames, there is no figure; not 0."""
    assert analyze(measurement(), PHASES, FRAMES).arithmetic is None
    assert analyze(measurement(), PHASES, 0, pace=ALONE).arithmetic is None


@pytest.mark.parametrize("wrong", [{"window_s": 0.0}, {"window_s": float("nan")}, {"latency_mean_s": -1.0}])
def test_impossible_paces(wrong: dict[str, float]) -> None:
    """A pace that is no time is refused by name."""
    with pytest.raises(PowerError, match=next(iter(wrong))):
        dataclasses.replace(ALONE, **wrong)


def test_pace_survives_the_file(tmp_path: Path) -> None:
    """The recording keeps the pace, so that the comparison can be made again to the last digit."""
    file = tmp_path / "trace.csv"
    pace = Pace(60.1, 0.1 / 3)
    write_trace(file, measurement(), PHASES, FRAMES, pace)
    found = read_trace(file)
    assert found.pace == pace
    again = analyze(found.trace, found.phases, found.frames, pace=found.pace)
    assert again.arithmetic == analyze(measurement(), PHASES, FRAMES, pace=pace).arithmetic
    assert again.arithmetic != analyze(measurement(), PHASES, FRAMES, pace=ALONE).arithmetic, "control"


@pytest.mark.parametrize(
    "pace", ["3", "{}", '{"window_s": 1, "latency_mean_s": "x"}', '{"window_s": 0, "latency_mean_s": 1}']
)
def test_pace_that_is_none(pace: str, tmp_path: Path) -> None:
    """A pace in a file that cannot be one is refused by name."""
    file = tmp_path / "trace.csv"
    write_trace(file, measurement(), PHASES, FRAMES, ALONE)
    lines = [f"# pace: {pace}" if line.startswith("# pace") else line for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(TraceError, match="pace"):
        read_trace(file)
