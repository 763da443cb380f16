"""A farm whose plan splits convolutions, from the command that plans it to the record of its run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from farms import free_ports, iot_farm

from harness.farm.config import FarmConfig
from harness.partition.paper import partition_for
from harness.partition.partition import Partition
from harness.records.check import check_file

NETWORK = "ethernet-100"


@dataclass(frozen=True)
class PlannedFarm:
    """A farm file that `plan` wrote, and what it foretold."""

    file: Path
    told: dict[str, Any]
    cut: Partition
    environment: dict[str, str]

    @contextmanager
    def up(self, *options: str) -> Iterator[None]:
        """The farm, for as long as a test needs it."""
        try:
            done = iot_farm("farm", "up", str(self.file), "--way", "function", *options, environment=self.environment)
            assert done.returncode == 0, done.stdout + done.stderr
            yield
        finally:
            down = iot_farm("farm", "down", str(self.file), environment=self.environment)
            assert down.returncode == 0, down.stdout + down.stderr

    def run(self, *options: str, accept: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """The record of a run."""
        done = iot_farm("run", "--target", str(self.file), *options, "--json", environment=self.environment)
        assert done.returncode in accept, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> PlannedFarm:
    """AlexNet on six devices, for the latency of a frame: in halves by rows."""
    folder = tmp_path_factory.mktemp("planned")
    file, devices = folder / "planned.json", folder / "devices.json"
    host = f"127.0.4.{os.getpid() % 250 + 1}"
    devices.write_text(json.dumps([{"address": f"{host}:{port}"} for port in free_ports(6)]))
    environment = {"IOT_FARM_STATE": str(folder / "state"), "IOT_FARM_RESULTS": str(folder / "results")}
    arguments = ("--model", "alexnet", "--devices", str(devices), "--network", NETWORK, "--out", str(file))
    planned = iot_farm("plan", *arguments, "--objective", "latency", "--json", environment=environment)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    cut = partition_for(FarmConfig.load(file))
    assert [(role.parts, str(role.split)) for role in cut.roles] == [(2, "rows"), (2, "columns"), (1, "columns")]
    return PlannedFarm(file, json.loads(planned.stdout), cut, environment)


def test_a_plan_with_rows_runs(farm: PlannedFarm) -> None:
    """`plan --objective latency --out F`, `farm up F`, `run`: AlexNet in halves by rows, every frame right, VALID."""
    with farm.up():
        record = farm.run("--frames", "12")
        assert record["verdict"]["status"] == "VALID", record["verdict"]
        assert record["metrics"]["frames_verified"] == 12
        assert record["plan"]["partition"] == farm.cut.name
        assert record["metrics"]["bytes_per_frame"] == sum(
            link["frame_bytes"] for link in farm.told["prediction"]["links"]
        ), "what was predicted is what travels"
        assert check_file(Path(record["path"])).status == "VALID"
        # The control: the nodes hold halves, and no run of the paper's cut passes on them.
        arguments = ("run", "--target", str(farm.file), "--partition", "alexnet-6")
        other = iot_farm(*arguments, environment=farm.environment)
        assert other.returncode == 2
        assert "planned for another cut" in other.stderr


def test_halves_of_convolutions_take_a_pi_s_time(farm: PlannedFarm) -> None:
    """Imitated, halves are held until a Pi would have them, and no frame alone is quicker than planned."""
    imitated = ("--emulate", f"rpi3+{NETWORK}")
    with farm.up(*imitated):
        record = farm.run("--frames", "6", "--warmup", "2", "--in-flight", "1", *imitated, accept=(0, 1))
    reasons = [one for one in record["verdict"]["reasons"] if not one.startswith("this machine is too slow")]
    assert not reasons
    planned_s = farm.told["prediction"]["latency_s"]
    assert min(one["verified_s"] - one["sent_s"] for one in record["frames"]) >= planned_s * 0.99
    halves = [
        min(node["statistics"]["compute_s"])
        for node in record["nodes"]
        if node["description"]["role"] == farm.cut.roles[0].name
    ]
    # The control: by the Pi's profile the whole of these layers takes more than 1.5 times as long as a half.
    assert len(halves) == 2
    assert 0.1 < min(halves) <= max(halves) < 0.5255 / 1.5
