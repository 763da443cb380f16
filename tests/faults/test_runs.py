"""Rows 6, 23 and 27: what happens to whole runs when the initial dies, clocks are set, or devices are throttled."""

from __future__ import annotations

import glob
import os
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest
from farms import Farm
from faults.conftest import AHEAD_S, UNTHROTTLED, Devices, with_clock, wrong_clock
from faults.whole_runs import FRAMES, WAIT_S, ended, measuring, only_record, unreadable

from harness.records.check import check_file

LIBFAKETIME = os.environ.get("LIBFAKETIME", next(iter(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), ""))  # noqa: PTH207
DAY_S = 86_400.0


def test_row_06_initial_killed(devices: Devices, tmp_path: Path) -> None:
    """The initial is killed in its window: what it leaves is readable, the nodes fall idle, the next run is clean.

    Control: a writer without our way of writing leaves unreadable files when it is killed (test_audit_kills).
    """
    farm = devices.farm
    for moment_s in (0.0, 0.3):
        with measuring(farm, tmp_path, "--frames", "1000000") as run:
            time.sleep(moment_s)
            run.send_signal(signal.SIGKILL)
            run.wait(WAIT_S)
        assert unreadable(tmp_path) == []
        assert [check_file(path).status for path in tmp_path.glob("*.json")] in ([], ["INCOMPLETE"])
    _until_idle(farm)
    with measuring(farm, tmp_path / "next", "--frames", str(FRAMES)) as run:
        ended(run)
    assert run.returncode == 0
    path, record = only_record(tmp_path / "next")
    assert check_file(path).status == "VALID"
    assert {device["after"]["throttled"] for device in record["devices"]} == {0}
    assert record["metrics"]["frames_distinct"] == record["metrics"]["frames_returned"] == FRAMES


def _until_idle(farm: Farm) -> None:
    """The nodes stop working on a run whose initial has gone."""
    nodes = farm.processes().values()
    deadline_s = time.monotonic() + WAIT_S
    worked_s = 1.0
    while worked_s > 0.1:
        assert time.monotonic() < deadline_s, "the nodes still work for a run that is gone"
        before_s = sum(sum(node.cpu_times()[:2]) for node in nodes)
        time.sleep(0.5)
        worked_s = sum(sum(node.cpu_times()[:2]) for node in nodes) - before_s


@pytest.mark.parametrize("whose", ["initial", "nodes", "initial, by libfaketime"])
def test_row_23_clock_steps(devices: Devices, tmp_path: Path, whose: str) -> None:
    """Wall clocks that stand days apart and are set in mid-run leave the run VALID and bend no latency.

    Control: the clock that is set is indeed the one that the run's own times of day come from.
    """
    if "libfaketime" in whose and not LIBFAKETIME:
        pytest.skip("SKIPPED ROW 23 in part: libfaketime is not installed, nor named by $LIBFAKETIME")
    clock, steered = wrong_clock(tmp_path / "clock", DAY_S), {}
    if whose == "initial":
        steered = {"PYTHONPATH": with_clock(clock)}
    elif whose == "nodes":
        clock = devices.clock
    else:
        clock.write_text("+1d")
        faked = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        steered = {"LD_PRELOAD": LIBFAKETIME, **faked}
    begun_s, out = time.monotonic(), tmp_path / "records"
    try:
        with measuring(devices.farm, out, "--frames", str(FRAMES), **steered) as run:
            clock.write_text("-1h" if "libfaketime" in whose else "-3600")
            rest = ended(run)
    finally:
        devices.clock.write_text(str(AHEAD_S))
    took_s = time.monotonic() - begun_s
    assert run.returncode == 0, rest
    path, record = only_record(out)
    audit = check_file(path)
    assert (audit.status, audit.reasons) == ("VALID", ())
    latencies_s = [frame["verified_s"] - frame["sent_s"] for frame in record["frames"]]
    assert len(latencies_s) == FRAMES
    assert 0 < min(latencies_s) <= max(latencies_s) <= record["metrics"]["window_s"] < took_s
    assert (_time_of(record["started_utc"]) > time.time() + DAY_S / 2) == (whose != "nodes"), "the control"
    here_s, *nodes_s = (_time_of(device["before"]["clock_utc"]) for device in record["devices"])
    ahead_s = AHEAD_S - (0 if whose == "nodes" else DAY_S)
    assert all(abs(node_s - here_s - ahead_s) < WAIT_S for node_s in nodes_s), "how wrong they stand is recorded"


def _time_of(utc: str) -> float:
    return datetime.fromisoformat(utc).timestamp()


def test_row_27_thermal_throttling(devices: Devices, tmp_path: Path) -> None:
    """Devices that say in mid-run that they are throttled and short of voltage make the run INVALID, by name.

    Control: the clean run of row 6, in which the same devices say that they are not.
    """
    try:
        with measuring(devices.farm, tmp_path, "--frames", str(FRAMES)) as run:
            devices.throttled.write_text("throttled=0x50005\n")
            ended(run)
    finally:
        devices.throttled.write_text(UNTHROTTLED)
    path, record = only_record(tmp_path)
    audit = check_file(path)
    assert (run.returncode, record["verdict"]["status"], audit.status) == (1, "INVALID", "INVALID")
    (own,) = record["verdict"]["reasons"]
    assert own == audit.reasons[0]
    assert own.startswith("throttled: ")
    assert "under-voltage" in own
    assert any(host.split(":")[0] in own for hosts in devices.farm.document().values() for host in hosts)
