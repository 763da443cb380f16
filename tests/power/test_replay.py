"""A recorded file as a meter."""

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
from power_traces import METER, PHASES, make

from power.energy import analyze
from power.errors import LinkError, PowerError, ReplyError, TraceError
from power.meter import Meter, RangeMode, Reading
from power.phases import PHASES as PHASE_NAMES
from power.phases import Markers
from power.replay import ReplayMeter
from power.sampler import Sampler
from power.trace_file import write_trace


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A file with two readings, a lost reply and a lost connection."""
    trace = make(np.array([1.0, 1.1, 1.2, 1.3]), np.array([5.0, np.nan, np.nan, 7.0]), flags=("", "timeout", "eof", ""))
    trace = dataclasses.replace(trace, energy_wh=np.array([0.1, np.nan, np.nan, 0.2]))
    path = tmp_path / "power.csv"
    write_trace(path, trace, PHASES, 3)
    return path


def test_readings_come_back_in_order(recording: Path) -> None:
    """Readings, lost replies and lost connections come back one by one, then the end."""
    meter: Meter = ReplayMeter(recording)
    meter.open()
    assert meter.read() == Reading(5.0, 0.1, None)
    with pytest.raises(ReplyError) as lost:
        meter.read()
    assert lost.value.cause == "timeout"
    with pytest.raises(LinkError) as cut:
        meter.read()
    assert cut.value.cause == "eof"
    meter.recover()
    assert meter.read() == Reading(7.0, 0.2, None)
    for end in (meter.read, meter.recover):
        with pytest.raises(LinkError):
            end()
    meter.close()
    meter.close()
    meter.open()
    assert meter.read().power_w == 5.0, "opening begins anew"


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("range_mode", ["fixed", "automatic"])
def test_says_what_was_recorded(tmp_path: Path, range_mode: RangeMode, *, measured: bool) -> None:
    """The description is that of the recording, measured or made up as that was, and says that it is a replay."""
    recorded = dataclasses.replace(METER, measured=measured, range_mode=range_mode)
    path = tmp_path / "power.csv"
    write_trace(path, dataclasses.replace(make(np.array([1.0]), np.array([5.0])), meter=recorded), PHASES, 3)
    meter = ReplayMeter(path)
    with pytest.raises(PowerError, match="not open"):
        _ = meter.info
    meter.open()
    meter.fix_range()
    replayed = dataclasses.replace(recorded, name="replay of Test meter", resource=f"replay:{path}")
    assert meter.info == replayed != recorded


def test_a_replay_of_a_replay(recording: Path, tmp_path: Path) -> None:
    """A trace that was itself a replay is one still, and is not called so twice."""
    with Sampler(ReplayMeter(recording), 50.0) as sampler:
        sampler.require_reading(5.0)
        sampler.stop()
    write_trace(tmp_path / "again.csv", sampler.trace(), (), 0)
    again = ReplayMeter(tmp_path / "again.csv")
    again.open()
    assert (again.info.name, again.info.resource) == ("replay of Test meter", f"replay:{tmp_path / 'again.csv'}")


def test_sampled_readings_get_the_clock_of_the_sampler(recording: Path) -> None:
    """Watts and flags are those of the recording, times are those of now: the recorded ones belong to another run."""
    begin_s = time.monotonic()
    with Sampler(ReplayMeter(recording), 50.0) as sampler:
        give_up_s = time.monotonic() + 10
        while len(sampler.trace()) < 5 and time.monotonic() < give_up_s:
            time.sleep(0.01)
        sampler.stop()
    trace = sampler.trace()
    assert list(trace.power_w[trace.good]) == [5.0, 7.0]
    assert trace.flags[:5] == ("", "timeout", "eof", "", "eof"), "the last one is the end of the recording"
    assert (trace.at_s > begin_s - METER.update_s).all()
    assert np.isnan(trace.power_w[~trace.good]).all()


@pytest.mark.parametrize(("samples", "ends_early"), [(20, True), (400, False)])
def test_a_recording_that_ends_in_mid_run(tmp_path: Path, samples: int, ends_early: bool) -> None:
    """Where the recording ends before the run, the rest is missing and not 0 W; a longer one is enough."""
    watts = 12.0 + np.arange(samples) % 2
    write_trace(tmp_path / "power.csv", make(0.1 * np.arange(samples), watts), (), 0)
    markers = Markers()
    with Sampler(ReplayMeter(tmp_path / "power.csv"), 50.0) as sampler:
        sampler.require_reading(5.0)
        for name in PHASE_NAMES:
            with markers.phase(name):
                time.sleep(2.2 if name == "run" else 0.9)
        time.sleep(0.2)
        sampler.stop()
    energy = analyze(sampler.trace(), markers.phases, 3)
    # At twelve or thirteen watts throughout, idle may come out above run by chance.
    reasons = [reason for reason in energy.reasons if "is above" not in reason]
    assert "the power is that of a recording, not of this run" in reasons
    assert (len(reasons) > 1) == ends_early, reasons
    assert energy.total_j is None or energy.total_j / energy.run_s > 11, "nothing was filled with 0"


def test_not_open_or_no_file(recording: Path, tmp_path: Path) -> None:
    """Reading before opening, and opening what is not there, are errors in one line."""
    for act in (ReplayMeter(recording).read, ReplayMeter(recording).recover):
        with pytest.raises(LinkError):
            act()
    with pytest.raises(TraceError, match="cannot read"):
        ReplayMeter(tmp_path / "none.csv").open()
