"""A recorded file as a meter."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from power_traces import METER, PHASES, make

from power.errors import LinkError, PowerError, ReplyError, TraceError
from power.meter import Meter, Reading
from power.replay import ReplayMeter
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


def test_says_what_was_recorded(recording: Path) -> None:
    """The meter's description is that of the recording, reached through the file."""
    meter = ReplayMeter(recording)
    with pytest.raises(PowerError, match="not open"):
        _ = meter.info
    meter.open()
    assert meter.info == dataclasses.replace(METER, resource=str(recording))


def test_not_open_or_no_file(recording: Path, tmp_path: Path) -> None:
    """Reading before opening, and opening what is not there, are errors in one line."""
    for act in (ReplayMeter(recording).read, ReplayMeter(recording).recover):
        with pytest.raises(LinkError):
            act()
    with pytest.raises(TraceError, match="cannot read"):
        ReplayMeter(tmp_path / "none.csv").open()
