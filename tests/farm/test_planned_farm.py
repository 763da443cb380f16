"""A farm that was planned: every command takes its file as it takes the paper's."""

from __future__ import annotations

import json
import os
from pathlib import Path

from farms import free_ports, iot_farm

from harness.farm.config import Address
from harness.models.catalogue import model
from harness.plan.assignment import Assignment, Stage, partition_of
from harness.plan.farm_file import farm_document, farm_text
from harness.plan.network import network_called
from harness.plan.site import FarmDevice, Site
from harness.profile.shipped import shipped_profile


def test_a_planned_cut_runs(tmp_path: Path) -> None:
    """AlexNet in a cut that no paper has (conv in two stages, fc1 in halves, a spare) answers every frame right."""
    graph = model("alexnet")
    pi, ports = shipped_profile("rpi3"), iter(free_ports(7))
    initial, *devices = (
        FarmDevice(f"d{n}", pi, pi.device.memory_bytes, Address(f"127.0.3.{os.getpid() % 200 + n + 1}", port))
        for n, port in enumerate(ports)
    )
    names = [layer.name for layer in graph.layers]
    middle, dense, last = names.index("conv3"), names.index("fc1"), names.index("fc2")
    assignment = Assignment(
        "alexnet",
        (
            Stage(0, middle, 1, ((0,),)),
            Stage(middle, dense, 1, ((1,),)),
            Stage(dense, last, 2, ((2, 3),)),
            Stage(last, len(names), 1, ((4,),)),
        ),
    )
    file = tmp_path / "planned.json"
    file.write_text(
        farm_text(farm_document(graph, Site(initial, tuple(devices), network_called("loopback")), assignment))
    )
    environment = {"IOT_FARM_STATE": str(tmp_path / "state"), "IOT_FARM_RESULTS": str(tmp_path / "results")}
    try:
        up = iot_farm("farm", "up", str(file), "--way", "function", environment=environment)
        assert up.returncode == 0, up.stdout + up.stderr
        status = iot_farm("farm", "status", str(file), environment=environment)
        assert status.returncode == 0, status.stdout + status.stderr
        run = iot_farm("run", "--target", str(file), "--frames", "12", "--json", environment=environment)
        assert run.returncode == 0, run.stdout + run.stderr
        record = json.loads(run.stdout)
        assert record["metrics"]["frames_verified"] == 12
        assert record["plan"]["partition"] == partition_of(assignment, graph).name
        assert {node["role"] for node in record["plan"]["nodes"]} == {"stage1", "stage2", "stage3", "stage4", "spare"}
        # The control: the nodes hold this cut, and answer to no other.
        other = iot_farm("run", "--target", str(file), "--partition", "alexnet-5", environment=environment)
        assert other.returncode == 2
        assert "planned for another cut" in other.stderr
    finally:
        down = iot_farm("farm", "down", str(file), environment=environment)
        assert down.returncode == 0, down.stdout + down.stderr
