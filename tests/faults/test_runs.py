"""Rows 6, 23, 24 and 27: what happens to whole runs, from the command line to the record."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from farms import Farm
from faults.conftest import WALL_CLOCK, Devices

from harness.errors import BadInputError
from harness.records.check import check_file
from harness.records.store import read_record

FRAMES = 120
WAIT_S = 60


@contextmanager
def measuring(farm: Farm, out: Path, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`iot-farm run`, as soon as it is in its measured window."""
    command = [sys.executable, "-m", "harness", "run", "--target", str(farm.file), "--out", str(out), *options]
    with subprocess.Popen(
        command,
        env={**os.environ, **farm.environment, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr is not None
        try:
            seen = ""
            while "measuring" not in seen:
                line = run.stderr.readline()
                assert line, seen
                seen += line
            yield run
        finally:
            run.kill()


def ended(run: subprocess.Popen[str]) -> str:
    """Wait for the end of a run; what it still said."""
    _, rest = run.communicate(timeout=WAIT_S)
    assert "Traceback" not in rest
    return rest


def only_record(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The one record of a folder, readable."""
    (path,) = folder.glob("*.json")
    return path, read_record(path)


def unreadable(folder: Path) -> list[Path]:
    """Files that look like records and are none."""
    bad = []
    for path in folder.glob("*.json"):
        try:
            read_record(path)
        except BadInputError:
            bad.append(path)
    return bad


def computed(farm: Farm) -> list[int]:
    """Frames that each node has computed since it was told of a run, and whether it still works: asked by status."""
    return [int(1e3 * sum(process.cpu_times()[:2])) for process in farm.processes().values()]


def test_row_6_initial_killed(devices: Devices, tmp_path: Path) -> None:
    """The initial killed three times in its window: nothing unreadable is left, the nodes fall idle, the next run is clean.

    Control: a writer that is killed without our way of writing leaves unreadable files (test_audit_kills).
    """
    farm = devices.farm
    for moment_s in (0.0, 0.2, 0.5):
        with measuring(farm, tmp_path, "--frames", "1000000") as run:
            time.sleep(moment_s)
            run.send_signal(signal.SIGKILL)
            run.wait(WAIT_S)
        assert unreadable(tmp_path) == []
        assert [check_file(path).status for path in tmp_path.glob("*.json")] in ([], ["INCOMPLETE"])
    _until_idle(farm)
    assert farm.command("farm", "status", str(farm.file)).returncode == 0
    with measuring(farm, tmp_path / "next", "--frames", str(FRAMES)) as run:
        ended(run)
    assert run.returncode == 0
    path, record = only_record(tmp_path / "next")
    assert check_file(path).status == "VALID"
    assert record["metrics"]["frames_distinct"] == record["metrics"]["frames_returned"] == FRAMES


def _until_idle(farm: Farm) -> None:
    """The nodes stop working on a run whose initial has gone."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        before_s = [sum(process.cpu_times()[:2]) for process in farm.processes().values()]
        time.sleep(0.5)
        after_s = [sum(process.cpu_times()[:2]) for process in farm.processes().values()]
        if sum(after_s) - sum(before_s) < 0.1:
            return
        assert time.monotonic() < deadline_s, "the nodes still work for a run that is gone"


@pytest.fixture
def wall_clock(tmp_path: Path) -> Callable[[float], None]:
    """Sets the wall clock of processes started with its folder on their path."""
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(WALL_CLOCK)

    def stand(offset_s: float) -> None:
        (folder / "offset_s").write_text(str(offset_s))

    return stand


@pytest.mark.parametrize("step_s", [-3600.0, 3 * 86_400.0, 0.0], ids=["an hour back", "three days on", "control"])
def test_row_23_clock_steps(
    devices: Devices, tmp_path: Path, wall_clock: Callable[[float], None], step_s: float
) -> None:
    """The wall clock of the initial stands a day wrong and is set in mid-run: the run is VALID, no latency is bent."""
    wall_clock(86_400.0)
    path_of_modules = f"{tmp_path / 'clock'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    begun_s, begun_wall_s = time.monotonic(), time.time()
    out = tmp_path / "records"
    with measuring(devices.farm, out, "--frames", str(FRAMES), PYTHONPATH=path_of_modules) as run:
        wall_clock(86_400.0 + step_s)
        rest = ended(run)
    took_s = time.monotonic() - begun_s
    assert run.returncode == 0, rest
    path, record = only_record(out)
    audit = check_file(path)
    assert (audit.status, audit.reasons) == ("VALID", ())
    latencies_s = [frame["verified_s"] - frame["sent_s"] for frame in record["frames"]]
    assert len(latencies_s) == FRAMES
    assert 0 < min(latencies_s) <= max(latencies_s) < took_s
    assert 0 < record["metrics"]["window_s"] < took_s


@pytest.mark.parametrize("bits", ["throttled=0x50005\n", "throttled=0x0\n"], ids=["throttled", "control"])
def test_row_27_thermal_throttling(devices: Devices, tmp_path: Path, bits: str) -> None:
    """Devices that are throttled and short of voltage in mid-run make it INVALID, by name; those that are not do not."""
    try:
        with measuring(devices.farm, tmp_path, "--frames", str(FRAMES)) as run:
            devices.throttled.write_text(bits)
            ended(run)
    finally:
        devices.throttled.write_text("throttled=0x0\n")
    path, _ = only_record(tmp_path)
    audit = check_file(path)
    print(audit.status, audit.reasons)


def test_row_24_disk_full(devices: Devices, tmp_path: Path) -> None:
    """x"""
