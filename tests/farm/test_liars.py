"""Nodes that pass the preflight and compute something else: the controls of every equality check."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from farms import Farm, iot_farm
from liars import liar

from harness.records.check import check_file


@pytest.fixture
def farm(lied_to: Farm, tmp_path: Path) -> Farm:
    """The farm of the liars, with results of its own."""
    return replace(lied_to, environment={**lied_to.environment, "IOT_FARM_RESULTS": str(tmp_path / "results")})


def _run(farm: Farm, *options: str) -> subprocess.CompletedProcess[str]:
    return farm.command("run", "--target", str(farm.file), "--frames", "20", "--warmup", "0", *options)


def test_a_run_with_another_seed_is_refused(alexnet_farm: Farm, tmp_path: Path) -> None:
    """On honest nodes: those of another seed are named before a frame is sent; swapped parts are, too."""
    farm = alexnet_farm
    done = _run(farm, "--seed", "7")
    assert done.returncode == 3
    assert "has weights seed:1:2018, this run needs seed:1:7" in done.stderr
    swapped = json.loads(farm.file.read_text())
    swapped["node"]["block2"].reverse()
    other = tmp_path / "swapped.json"
    other.write_text(json.dumps(swapped))
    done = iot_farm("run", "--target", str(other), "--frames", "20", environment=farm.environment)
    assert done.returncode == 3
    assert "has part 1, this run needs 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("swap", "results differ from the single-device reference"),
        ("seed", "results differ from the single-device reference"),
        ("stale", "results differ from the single-device reference"),
        ("flip", "results differ from the single-device reference"),
        ("zero", "results differ from the single-device reference"),
        ("double", "replies were to frames that had come back before"),
    ],
)
def test_a_lying_last_node_is_found(farm: Farm, lie: str, reason: str) -> None:
    """Swapped halves, other weights, cached answers, one flipped bit, zeros and double answers: each run is INVALID."""
    with liar(farm, farm.document()["block3"][0], lie):
        done = _run(farm, "--json")
    assert done.returncode == 1, done.stderr
    record = json.loads(done.stdout)
    assert record["verdict"]["status"] == "INVALID"
    assert any(reason in line for line in record["verdict"]["reasons"]), record["verdict"]


def test_a_node_that_skips_frames_ends_the_run(farm: Farm) -> None:
    """A node that answers three frames of four is named within seconds; the record is INCOMPLETE, without figures."""
    with liar(farm, farm.document()["block3"][0], "skip"):
        done = _run(farm, "--stall", "5")
    assert done.returncode == 3, done.stdout
    assert "Traceback" not in done.stderr
    (path,) = Path(farm.environment["IOT_FARM_RESULTS"]).glob("*.json")
    audit = check_file(path)
    assert (audit.status, audit.figures) == ("INCOMPLETE", {})


def test_lies_during_the_warm_up_end_the_run_before_it_is_measured(farm: Farm) -> None:
    """A wrong result in the warm-up stops the run with one line, and no record is filed."""
    with liar(farm, farm.document()["block3"][0], "swap"):
        done = farm.command("run", "--target", str(farm.file), "--frames", "20")
    assert done.returncode == 3
    assert "warm-up results differ from the single-device reference" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path(farm.environment["IOT_FARM_RESULTS"]).glob("*.json"))


def test_a_node_of_another_version_is_refused(farm: Farm) -> None:
    """The preflight names the node and both versions."""
    address = farm.document()["block2"][1]
    with liar(farm, address, "version"):
        done = _run(farm)
    assert done.returncode == 3
    assert f"block2 part 2 of 2 at {address}" in done.stderr
    assert "software ck-iot-farm 0.0.1, this run needs ck-iot-farm 0." in done.stderr
