"""A farm whose plan splits convolutions, from the command that plans it to the record of its run."""

from __future__ import annotations

import json
import os
from pathlib import Path

from farms import free_ports, iot_farm

from harness.farm.config import FarmConfig
from harness.partition.paper import partition_for
from harness.records.check import check_file


def test_a_plan_with_rows_runs(tmp_path: Path) -> None:
    """`plan --objective latency --out F`, `farm up F`, `run`: AlexNet in halves by rows, every frame right, VALID."""
    file, devices = tmp_path / "planned.json", tmp_path / "devices.json"
    host = f"127.0.4.{os.getpid() % 250 + 1}"
    devices.write_text(json.dumps([{"address": f"{host}:{port}"} for port in free_ports(6)]))
    environment = {"IOT_FARM_STATE": str(tmp_path / "state"), "IOT_FARM_RESULTS": str(tmp_path / "results")}
    arguments = ("--model", "alexnet", "--devices", str(devices), "--network", "ethernet-100", "--out", str(file))
    planned = iot_farm("plan", *arguments, "--objective", "latency", "--json", environment=environment)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    told = json.loads(planned.stdout)
    cut = partition_for(FarmConfig.load(file))
    assert [(role.parts, str(role.split)) for role in cut.roles] == [(2, "rows"), (2, "columns"), (1, "columns")]
    try:
        up = iot_farm("farm", "up", str(file), "--way", "function", environment=environment)
        assert up.returncode == 0, up.stdout + up.stderr
        run = iot_farm("run", "--target", str(file), "--frames", "12", "--json", environment=environment)
        assert run.returncode == 0, run.stdout + run.stderr
        record = json.loads(run.stdout)
        assert record["verdict"]["status"] == "VALID", record["verdict"]
        assert record["metrics"]["frames_verified"] == 12
        assert record["plan"]["partition"] == cut.name
        assert record["metrics"]["bytes_per_frame"] == sum(
            link["frame_bytes"] for link in told["prediction"]["links"]
        ), "what was predicted is what travels"
        (path,) = (tmp_path / "results").glob("*.json")
        assert check_file(path).status == "VALID"
        # The control: the nodes hold halves, and no run of the paper's cut passes on them.
        other = iot_farm("run", "--target", str(file), "--partition", "alexnet-6", environment=environment)
        assert other.returncode == 2
        assert "planned for another cut" in other.stderr
    finally:
        down = iot_farm("farm", "down", str(file), environment=environment)
        assert down.returncode == 0, down.stdout + down.stderr
