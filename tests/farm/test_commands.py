"""The commands around a run: up, status, down, doctor, node in the foreground, open loop, weights file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from farms import Farm, farm_document, iot_farm, running_farm


def test_up_twice_is_refused_and_down_twice_is_not(alexnet_farm: Farm) -> None:
    """A farm that is up is not started again; a farm that is down may be taken down."""
    again = alexnet_farm.command("farm", "up", str(alexnet_farm.file))
    assert again.returncode == 2
    assert "are up already" in again.stderr
    assert alexnet_farm.command("farm", "status", str(alexnet_farm.file)).stdout.count("[x]") == 4


def _document(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    document: list[dict[str, Any]] = json.loads(done.stdout)
    return document


def _bound_cores(process: psutil.Process) -> set[frozenset[int]]:
    """The sets of cores to which single threads of a process are bound, other than all of them."""
    allowed = {frozenset(os.sched_getaffinity(thread.id)) for thread in process.threads()}
    return {cores for cores in allowed if len(cores) == 1}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) != 2, reason="the farm is dealt out to two cores")
def test_nodes_that_share_two_cores_keep_to_one_each(alexnet_farm: Farm, tmp_path: Path) -> None:
    """The computing thread of each node, and no other, is bound to the core that it reports; or to none on request."""
    cores = sorted(os.sched_getaffinity(0))
    status = ("farm", "status", str(alexnet_farm.file), "--json")
    reported = {node["address"]: node["description"]["core"] for node in _document(alexnet_farm.command(*status))}
    assert set(reported.values()) == set(cores)
    for address, process in alexnet_farm.processes().items():
        assert _bound_cores(process) == {frozenset({reported[address]})}
        assert os.sched_getaffinity(process.pid) == set(cores)
    with running_farm(tmp_path, "alexnet-5", "--no-keep-cores") as free:
        nodes = _document(free.command("farm", "status", str(free.file), "--json"))
        assert {node["description"]["core"] for node in nodes} == {-1}
        assert not any(_bound_cores(process) for process in free.processes().values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--core", "0"], "--core is for one node"),
        (["--address", "127.0.0.51", "--core", "4096"], "core 4096 is not one of this process's"),
        (["--address", "127.0.0.51", "--core", "0", "--threads", "2"], "2 threads cannot keep to one core"),
    ],
)
def test_a_core_that_cannot_be(options: list[str], message: str) -> None:
    """A core that a node cannot keep to is refused before anything is loaded."""
    done = iot_farm("node", "--target", "farm-5-local", *options, environment={})
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_energy_of_a_run_can_be_made_again(alexnet_farm: Farm, tmp_path: Path) -> None:
    """A run with the virtual analyzer carries its energy, marked as not measured; its trace gives the same figures."""
    options = ("--frames", "300", "--power", "virtual", "--idle", "2", "--out", str(tmp_path), "--json")
    done = alexnet_farm.command("run", "--target", str(alexnet_farm.file), *options)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    energy, metrics = record["energy"], record["metrics"]
    assert energy["meter"]["measured"] is False
    assert energy["frames"] == metrics["frames_verified"] == 300
    assert metrics["energy_total_j"] == pytest.approx(metrics["energy_static_j"] + metrics["energy_dynamic_j"])
    assert metrics["energy_total_j"] == energy["total_j"] / 300
    trace = Path(record["path"]).with_suffix(".power.csv")
    again = alexnet_farm.command("power", "analyze", str(trace), "--json")
    assert json.loads(again.stdout) == energy
    lines = trace.read_text().splitlines()
    readings = [number for number, line in enumerate(lines) if line[:1].isdigit()]
    for number in readings[len(readings) // 3 :]:  # the run is among them
        time_ns, utc_s, _, *rest = lines[number].split(",")
        lines[number] = ",".join([time_ns, utc_s, "99.5", *rest])
    trace.write_text("\n".join(lines) + "\n")
    other = alexnet_farm.command("power", "analyze", str(trace), "--json")
    assert json.loads(other.stdout)["total_j"] != energy["total_j"]


def test_status_as_json_describes_each_node(alexnet_farm: Farm) -> None:
    """`farm status --json` carries role, part, fingerprints and round trip of each node."""
    nodes = json.loads(alexnet_farm.command("farm", "status", str(alexnet_farm.file), "--json").stdout)
    assert [node["description"]["role"] for node in nodes] == ["block1", "block2", "block2", "block3"]
    assert [node["description"]["part"] for node in nodes] == [0, 0, 1, 0]
    assert len({node["description"]["block_fingerprint"] for node in nodes}) == 4
    assert len({node["description"]["model_fingerprint"] for node in nodes}) == 1


def test_doctor_looks_at_each_node_and_way(alexnet_farm: Farm) -> None:
    """`doctor --target` finds every node well and measures the way to it; a farm that is down is not well."""
    done = alexnet_farm.command("doctor", "--target", str(alexnet_farm.file), "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    for role, addresses in alexnet_farm.document().items():
        for address in addresses:
            if role != "initial":
                assert checks[f"way to {address}"]["ok"] is True
                assert "round trip" in checks[f"way to {address}"]["found"]


def test_doctor_says_how_to_mend_a_farm_that_is_down(tmp_path: Path) -> None:
    """Exit code 1, and for each node why it matters and the command that starts it."""
    file = tmp_path / "farm.json"
    file.write_text(json.dumps(farm_document("alexnet-5")))
    done = iot_farm("doctor", "--target", str(file), environment={})
    assert done.returncode == 1
    assert done.stdout.count("is down") == 4
    assert "fix: start it on that machine: iot-farm farm up" in done.stdout


def test_an_open_loop_counts_what_it_drops(alexnet_farm: Farm) -> None:
    """At a rate beyond the farm's, frames are dropped at the source and counted, none is lost or wrong."""
    done = alexnet_farm.command(
        "run", "--target", str(alexnet_farm.file), "--rate", "5000", "--frames", "400", "--json"
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)["metrics"]
    assert metrics["frames_dropped"] > 0
    assert metrics["frames_sent"] + metrics["frames_dropped"] == 400
    assert metrics["frames_verified"] == metrics["frames_returned"] == metrics["frames_sent"]


def test_the_foreground_command_runs_all_local_nodes_and_ends_them(tmp_path: Path) -> None:
    """`iot-farm node --target` starts this machine's nodes; SIGINT, and the death of the parent, end them all."""
    for how in (signal.SIGINT, signal.SIGKILL):
        file = tmp_path / f"farm-{how}.json"
        file.write_text(json.dumps(farm_document("alexnet-5")))
        with subprocess.Popen(
            [sys.executable, "-m", "harness", "node", "--target", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            # A test run in the background of a shell inherits an ignored SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
        ) as parent:
            assert parent.stdout is not None
            try:
                ready = 0
                while ready < 4:
                    line = parent.stdout.readline()
                    assert line, "the nodes ended before they were ready"
                    ready += line.startswith("ready:")
                status = iot_farm("farm", "status", str(file), environment={})
                parent.send_signal(how)
                # Only when the last node has ended does the pipe that they share close.
                parent.stdout.read()
            finally:
                parent.kill()  # the block waits for it
        assert status.stdout.count("[x]") == 4
        left = iot_farm("farm", "status", str(file), environment={})
        assert left.stdout.count("is down") == 4


@pytest.mark.timeout(300)
def test_a_weights_file_takes_the_place_of_the_seed(tmp_path: Path) -> None:
    """A user's Keras weights give a verified run; the same farm refuses a run with seeded weights."""
    weights = tmp_path / "mine.weights.h5"
    script = (
        "import sys\n"
        "from harness.models.catalogue import model\n"
        "from harness.models.weights import SeededWeights\n"
        "from harness.partition.block import whole_model\n"
        "from harness.runtime.device import configure\n"
        "from harness.runtime.keras_block import build_keras_model\n"
        "configure('cpu', 1)\n"
        "build_keras_model(whole_model(model('alexnet')), SeededWeights(99)).save_weights(sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-c", script, str(weights)], check=True, timeout=120)
    with running_farm(tmp_path / "farm", "alexnet-5", "--weights", str(weights)) as farm:
        run = ("run", "--target", str(farm.file), "--frames", "10", "--json")
        done = farm.command(*run, "--weights", str(weights))
        assert done.returncode == 0, done.stderr
        record = json.loads(done.stdout)
        assert record["model"]["weights"].startswith("file:")
        assert record["metrics"]["frames_verified"] == 10
        refused = farm.command(*run)
        assert refused.returncode == 3
        assert "this run needs seed:1:2018" in refused.stderr
