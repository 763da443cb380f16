"""Nodes that are down, hung or killed: a run says which, in bounded time, and leaves nothing half-written."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from farms import Farm, iot_farm, running_farm

from harness.records.check import check_file
from harness.records.store import read_record


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm of this module's own, which loses a node."""
    with running_farm(tmp_path_factory.mktemp("harmed"), "alexnet-5") as running:
        yield running


@pytest.fixture
def farm(harmed: Farm, tmp_path: Path) -> Farm:
    """The same, with results of its own."""
    return _with_results(harmed, tmp_path)


@pytest.fixture
def whole(alexnet_farm: Farm, tmp_path: Path) -> Farm:
    """The farm of this folder, with results of its own: these tests leave its nodes as they were."""
    return _with_results(alexnet_farm, tmp_path)


def _with_results(farm: Farm, folder: Path) -> Farm:
    return replace(farm, environment={**farm.environment, "IOT_FARM_RESULTS": str(folder / "results")})


def _nothing_written(farm: Farm) -> bool:
    return not list(Path(farm.environment["IOT_FARM_RESULTS"]).glob("*"))


def test_a_node_that_hangs_is_named(whole: Farm) -> None:
    """A stopped process takes connections and answers nothing: the preflight gives up on it by name."""
    farm = whole
    address = farm.document()["block3"][0]
    process = farm.processes()[address]
    process.suspend()
    try:
        done = farm.command("run", "--target", str(farm.file), "--frames", "5")
    finally:
        process.resume()
    assert done.returncode == 3
    assert f"block3 at {address} does not answer" in done.stderr
    assert _nothing_written(farm)


@pytest.mark.parametrize(("which", "how"), [("farm", signal.SIGKILL), ("whole", signal.SIGSTOP)])
def test_a_node_lost_in_mid_run_ends_the_run(request: pytest.FixtureRequest, which: str, how: signal.Signals) -> None:
    """A node killed or stopped while frames pass ends the run in bounded time; the line names it, the record is kept.

    It is INCOMPLETE, and gives no figure; a folder without such a record, the control, is the one before the run.
    """
    farm: Farm = request.getfixturevalue(which)
    assert _nothing_written(farm)
    address = farm.document()["block2"][0]
    node = farm.processes()[address]
    command = [sys.executable, "-m", "harness", "run", "--target", str(farm.file), "--frames", "1000000"]
    with subprocess.Popen(
        command, env={**os.environ, **farm.environment}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as run:
        assert run.stderr is not None
        seen = ""
        while "measuring" not in seen:
            line = run.stderr.readline()
            assert line, seen
            seen += line
        time.sleep(1)
        node.send_signal(how)
        try:
            _, rest = run.communicate(timeout=60)
        finally:
            if how is signal.SIGSTOP:
                node.resume()
    assert run.returncode == 3, rest
    assert address in rest
    assert "block2" in rest
    assert "Traceback" not in rest
    (path,) = Path(farm.environment["IOT_FARM_RESULTS"]).glob("*.json")
    assert str(path) in rest
    audit = check_file(path)
    assert (audit.status, audit.figures) == ("INCOMPLETE", {})
    assert address in audit.reasons[0]
    assert len(read_record(path)["frames"]) > 1


def test_a_node_that_is_down_is_named(farm: Farm) -> None:
    """The preflight names role, host and port of a dead node, and how to start it; exit code 3."""
    address = farm.document()["block2"][0]
    for process in {farm.processes().get(address)} - {None}:  # the test before this one has killed it
        process.kill()
    done = farm.command("run", "--target", str(farm.file), "--frames", "5")
    assert done.returncode == 3
    assert f"block2 part 1 of 2 at {address} is down" in done.stderr
    assert "iot-farm farm up" in done.stderr
    assert "Traceback" not in done.stderr
    assert _nothing_written(farm)
    status = farm.command("farm", "status", str(farm.file))
    assert status.returncode == 3
    assert status.stdout.count("[x]") == 3


def test_row_20_a_taken_port_stops_the_whole_farm(alexnet_farm: Farm, tmp_path: Path) -> None:
    """`farm up` names the port and who holds it, and no other node is left running."""
    first = alexnet_farm
    environment = {"IOT_FARM_STATE": str(tmp_path / "other"), "IOT_FARM_RESULTS": str(tmp_path / "r")}
    done = iot_farm("farm", "up", str(first.file), environment=environment)
    assert done.returncode == 2
    host, port = first.document()["block1"][0].split(":")
    assert f"port {port} on {host} is taken by process" in done.stderr
    assert "Traceback" not in done.stderr
    assert first.command("farm", "status", str(first.file)).returncode == 0


def test_row_20_a_taken_initial_port_is_named(alexnet_farm: Farm) -> None:
    """A run whose own port is taken says so before it sends a frame; exit code 2."""
    host, port = alexnet_farm.document()["initial"][0].split(":")
    with socket.create_server((host, int(port))):
        done = alexnet_farm.command("run", "--target", str(alexnet_farm.file), "--frames", "5")
    assert done.returncode == 2
    assert f"port {port} on {host} is taken" in done.stderr


def test_a_node_that_cannot_start_takes_the_farm_down_again(tmp_path: Path) -> None:
    """A weights file that is none is told from the node's own words, and all nodes are stopped."""
    weights = tmp_path / "not.weights.h5"
    weights.write_bytes(b"not a weights file")
    with pytest.raises(AssertionError) as failed, running_farm(tmp_path, "alexnet-5", "--weights", str(weights)):
        pass
    text = str(failed.value)
    assert "not.weights.h5" in text
    assert "are stopped" in text
    assert "Traceback" not in text
    left = iot_farm("farm", "status", str(tmp_path / "alexnet-5.json"), environment={})
    assert left.stdout.count("is down") == 4
