"""One farm for all rows that need nodes; what its devices say of their clock and their cooling is steered by files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from farms import Farm, running_farm

AHEAD_S = 3 * 86_400.0
UNTHROTTLED = "throttled=0x0\n"
WALL_CLOCK = '''
"""Imported by every Python that starts with this folder on its path: a wall clock that stands wrong."""

import datetime
import pathlib
import time

_offset = pathlib.Path(__file__).with_name("offset_s")
_time, _time_ns, _datetime = time.time, time.time_ns, datetime.datetime


def _offset_s():
    return float(_offset.read_text())


class _Datetime(_datetime):
    @classmethod
    def now(cls, tz=None):
        return _datetime.now(tz) + datetime.timedelta(seconds=_offset_s())


time.time = lambda: _time() + _offset_s()
time.time_ns = lambda: _time_ns() + int(1e9 * _offset_s())
datetime.datetime = _Datetime
'''


def wrong_clock(folder: Path, offset_s: float) -> Path:
    """Make a folder whose presence on Python's path sets the wall clock; returns the file of its offset, s."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WALL_CLOCK)
    offset = folder / "offset_s"
    offset.write_text(str(offset_s))
    return offset


def with_clock(offset: Path) -> str:
    """Python's path with that folder before all others."""
    return f"{offset.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"


@dataclass
class Devices:
    """What the devices of the farm are told to say.

    Attributes:
        farm: the farm.
        throttled: file of what `vcgencmd get_throttled` answers on each.
        clock: file of the seconds by which their wall clocks stand wrong.
    """

    farm: Farm
    throttled: Path
    clock: Path


@pytest.fixture(scope="session")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devices]:
    """The five-device AlexNet farm, its devices three days ahead of this machine."""
    folder = tmp_path_factory.mktemp("faults")
    throttled = folder / "throttled"
    throttled.write_text(UNTHROTTLED)
    tool = folder / "bin" / "vcgencmd"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat {throttled}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    clock = wrong_clock(folder / "clock", AHEAD_S)
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        environment.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
        # The clock is that of the nodes alone, and not of the runs.
        with pytest.MonkeyPatch.context() as nodes:
            nodes.setenv("PYTHONPATH", with_clock(clock))
            farm = stack.enter_context(running_farm(folder, "alexnet-5"))
        yield Devices(farm, throttled, clock)


@pytest.fixture
def farm(devices: Devices) -> Farm:
    """The same farm, for rows that ask no more of it."""
    return devices.farm
