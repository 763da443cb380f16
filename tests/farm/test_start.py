"""Nodes that come from one process: shared weights, each a node of its own, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from farms import farm_document, iot_farm, running_farm

from harness.farm.config import FarmConfig
from harness.node.blocks import NodeOptions
from harness.node.commands import births, common_arguments
from harness.node.forked_start import ForkedStart
from harness.partition.paper import partition_for
from harness.plan.plan import make_plan

TAMPERED = """
import sys
from harness.models.weights import SeededWeights
drawn = SeededWeights.fill
def fill(self, graph, name, targets, *parts):
    drawn(self, graph, name, targets, *parts)
    if name == sys.argv[1]:
        for arrays in targets.values():
            arrays["kernel"].view("uint8").reshape(-1)[12345] ^= 1
SeededWeights.fill = fill
from harness.cli.fork_server import main
main()
"""


def _mapped_weights(process: psutil.Process) -> dict[str, int]:
    """Of all that a process has mapped of shared weights: kB by kind."""
    found = {"Rss": 0, "Pss": 0, "Private_Dirty": 0}
    weights = False
    for line in Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
        first = line.split()[0]
        if not first.endswith(":"):
            weights = "iot-farm-weights" in line
        elif weights and first[:-1] in found:
            found[first[:-1]] += int(line.split()[1])
    return found


def _farm_file(folder: Path, name: str = "alexnet-6") -> Path:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(farm_document(name)))
    return file


def test_nodes_share_weights_and_die_alone(tmp_path: Path) -> None:
    """A farm from one process computes right from one copy of its weights; a killed node takes nobody along."""
    with running_farm(tmp_path, "alexnet-6") as farm:
        nodes = farm.processes()
        assert len({process.pid for process in nodes.values()}) == 5
        for address, process in nodes.items():
            command = process.cmdline()
            assert command[1:4] == ["-m", "harness", "node"]
            assert command[command.index("--address") + 1] == address
            assert os.getsid(process.pid) == process.pid
            assert process.ppid() not in {other.pid for other in nodes.values()}
        run = ("run", "--target", str(farm.file), "--frames", "20", "--json")
        done = farm.command(*run)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["metrics"]["frames_verified"] == 20
        # After frames have passed: what TensorFlow wanted to copy, it has copied.
        mapped = {address: _mapped_weights(process) for address, process in nodes.items()}
        one, other = farm.document()["block1"]
        for address in (one, other):
            assert mapped[address]["Rss"] > 1000
            assert mapped[address]["Private_Dirty"] == 0
            assert mapped[address]["Pss"] <= 0.6 * mapped[address]["Rss"]  # two replicas, one copy
        victim = nodes.pop(one)
        victim.kill()
        psutil.wait_procs([victim], timeout=20)
        status = farm.command("farm", "status", str(farm.file))
        assert status.returncode == 3
        assert status.stdout.count("[x]") == 4
        assert all(process.is_running() for process in nodes.values())
        again = [sys.executable, "-m", "harness", "node", "--target", str(farm.file), "--address", one]
        with subprocess.Popen([*again, "--stop-on-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as restarted:
            assert restarted.stdout is not None
            assert restarted.stdout.readline().startswith(b"ready: ")
            done = farm.command(*run)  # the preflight compares its fingerprint
            assert done.returncode == 0, done.stderr
            assert restarted.stdin is not None
            restarted.stdin.close()
            restarted.wait(60)
    assert not any(process.is_running() for process in nodes.values())


def test_two_starts_at_once(tmp_path: Path) -> None:
    """Two farms that start at the same time do not meet: each is whole, of its own seed, and stopped alone."""
    files = [_farm_file(tmp_path, name) for name in ("alexnet-5", "alexnet-6")]
    environment = {"IOT_FARM_STATE": str(tmp_path / "state")}
    command = [sys.executable, "-m", "harness", "farm", "up"]
    ups = [
        subprocess.Popen(
            [*command, str(file), "--seed", seed],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for file, seed in zip(files, "78", strict=True)
    ]
    try:
        said = [up.communicate(timeout=200)[0] for up in ups]
        assert [up.returncode for up in ups] == [0, 0], said
        for file, seed in zip(files, "78", strict=True):
            status = iot_farm("farm", "status", str(file), "--json", environment=environment)
            assert {node["description"]["weights"] for node in json.loads(status.stdout)} == {f"seed:1:{seed}"}
    finally:
        downs = [iot_farm("farm", "down", str(file), environment=environment) for file in files]
    assert [down.stdout for down in downs] == ["4 nodes stopped\n", "5 nodes stopped\n"]


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    return process.children(recursive=True)


def test_an_interrupted_start_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C while nodes are being started ends the server, what makes the weights, and every node."""
    file = _farm_file(tmp_path)
    for moment in ("server", "node"):
        with subprocess.Popen(
            [sys.executable, "-m", "harness", "farm", "up", str(file)],
            env={**os.environ, "IOT_FARM_STATE": str(tmp_path / moment)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  no threads here
        ) as up:
            parent = psutil.Process(up.pid)
            give_up_s = time.monotonic() + 120
            seen: dict[int, psutil.Process] = {}
            while time.monotonic() < give_up_s and up.poll() is None:
                seen |= {process.pid: process for process in _descendants(parent)}
                # The server, the process that makes weights, and then nodes.
                if len(seen) >= {"server": 2, "node": 4}[moment]:
                    break
                time.sleep(0.02)
            up.send_signal(signal.SIGINT)
            _, errors = up.communicate(timeout=60)
        assert up.returncode == 130, errors
        assert "Traceback" not in errors
        gone, alive = psutil.wait_procs(list(seen.values()), timeout=30)
        assert not alive
        assert len(gone) >= 2
        assert not list((tmp_path / moment).glob("*/nodes.json"))
    status = iot_farm("farm", "status", str(file), environment={})
    assert status.stdout.count("is down") == 5


@contextmanager
def _tampered_farm(file: Path, layer: str) -> Iterator[None]:
    """A farm whose shared weights have one bit of a layer changed before they are sealed."""
    farm = FarmConfig.load(file)
    plan = make_plan(partition_for(farm), farm)
    options = NodeOptions(seed=2018)
    asked = births(file, plan, plan.placements, options, logs=file.parent)
    start = ForkedStart(background=True, server=[sys.executable, "-c", TAMPERED, layer])
    try:
        start.ask(common_arguments(file, plan, options), asked)
        give_up_s = time.monotonic() + 120
        while len(start.ready) < len(asked) and time.monotonic() < give_up_s:
            start.listen(1.0)
            start.require_alive()
        yield
    finally:
        start.close()
        nodes = [psutil.Process(pid) for pid in start.pids.values() if psutil.pid_exists(pid)]
        for process in nodes:
            process.terminate()
        psutil.wait_procs(nodes, timeout=30)
        start.release()


def test_one_changed_byte_is_refused(tmp_path: Path) -> None:
    """A farm of which one weight in memory differs by one bit is refused, with the block that holds it."""
    file = _farm_file(tmp_path, "alexnet-5")
    with _tampered_farm(file, "fc2"):
        done = iot_farm("run", "--target", str(file), "--frames", "5", environment={})
        status = iot_farm("farm", "status", str(file), environment={})
    assert status.stdout.count("[x]") == 4, status.stdout
    assert done.returncode == 3
    assert "node block3" in done.stderr
    assert "block fingerprint" in done.stderr


def test_a_server_that_cannot_give_memory_says_so(tmp_path: Path) -> None:
    """Where the system gives no memory for the weights, one line says so, and no node is left."""
    file = _farm_file(tmp_path, "alexnet-5")
    script = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "from harness.cli.app import main\n"
        "main(['farm', 'up', sys.argv[1]])\n"
    )
    state = tmp_path / "state"
    done = subprocess.run(
        [sys.executable, "-c", script, str(file)],
        env={**os.environ, "IOT_FARM_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3
    assert "no nodes were started: the system does not give " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(state.glob("*/nodes.json"))
