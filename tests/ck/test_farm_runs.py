"""A.7 on a farm: nodes started by CK, a run through CK on them, and nodes that are down or die."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import psutil
import pytest
from farms import farm_document, free_ports, iot_farm

KEY = "benchmark-alexnet-farm-5-nodes"
PLANNED_KEY = "benchmark-planned-farm-nodes"
NODES = 4


def _register(home, folder: Path, name: str, document) -> None:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document))
    done = home.ck("add", f"machine:{name}", "--access_type=avro", f"--avro_config={path}", answers="1\n")
    assert done.returncode == 0, done.stdout


def _wait_for(log: Path, words: str, count: int, process) -> None:
    deadline_s = time.monotonic() + 120
    while log.read_text().count(words) < count:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.2)


def _named_roles(text: str, document) -> list[str]:
    """Roles that an error line names together with one of their addresses."""
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    return [
        role
        for role, addresses in document["node"].items()
        if any(role in line and address in line for line in lines for address in addresses)
    ]


@pytest.fixture(scope="module")
def farm(home, tmp_path_factory):
    """machine:farm-5 with its four nodes, started by the -start-server key."""
    _register(home, tmp_path_factory.mktemp("farm"), "farm-5", farm_document("alexnet-5"))
    with home.background(
        "run", "program:request-iot-benchmark", f"--cmd_key={KEY}-start-server", "--target=farm-5"
    ) as (
        process,
        log,
    ):
        _wait_for(log, "ready: ", NODES, process)
        yield home


@pytest.mark.parametrize("frames", ["1", "50"])
def test_a_run_on_the_farm(farm, frames):
    """Every frame that was asked for came back once and equal to the single device's; CK got the figures."""
    done = farm.run_program(KEY, "--target=farm-5", f"--env.STAT_REPEAT={frames}")
    assert done.returncode == 0, done.stdout
    figures = json.loads(farm.timer.read_text())
    counts = [figures[f"frames_{what}"] for what in ("sent", "returned", "distinct", "verified")]
    assert counts == [int(frames)] * 4
    assert figures["largest_error"] <= 1e-6 < figures["reference_separation"]
    assert figures["execution_time"] == figures["execution_time_classify"] == pytest.approx(1 / figures["ips"])
    assert "Execution time: " in done.stdout
    assert f"export CK_TARGET_PATH={farm.repos}/local/machine/farm-5\n" in done.stdout


def test_a_key_of_another_farm(farm):
    """The control: the key of another partition is refused on this farm."""
    done = farm.run_program("benchmark-alexnet-farm-6-nodes", "--target=farm-5")
    assert "likely failed" in done.stdout
    assert "partition alexnet-6" in done.stdout
    assert not farm.timer.exists()


def test_a_record_of_the_farm(farm):
    """benchmarking.py with a target records the farm, its addresses and three repetitions under A.7's name."""
    script = Path(farm.ck("find", "script:benchmark-request-iot-farm").stdout.strip()) / "benchmarking.py"
    done = farm.python(str(script), f"--cmd_key={KEY}", "--target=farm-5", STAT_REPEAT="5")
    assert done.returncode == 0, done.stdout
    entry = farm.repos / "local/experiment" / f"ck-request-asplos18-iot-farm-{KEY}"
    (path,) = entry.glob("ckp-*.flat.json")
    flat = json.loads(path.read_text())
    assert flat["##characteristics#run#frames_verified#all"] == [5, 5, 5]
    assert flat["##choices#target#min"] == "farm-5"
    document = json.loads((farm.repos / "local/machine/farm-5/ip").read_text())["node"]
    recorded = flat["##choices#device_cfg#remote_params#avro_config#node#block2@1#min"]
    assert recorded == document["block2"][1]


def test_a_busy_port(home, tmp_path):
    """Starting nodes on the default port where something listens names port and address, and starts nothing."""
    document = {
        "node": {
            "initial": ["127.0.0.75"],
            "block1": ["127.0.0.76"],
            "block2": ["127.0.0.77", "127.0.0.78"],
            "block3": ["127.0.0.79"],
        }
    }
    _register(home, tmp_path, "busy", document)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.78", 12345))
        taken.listen()
        done = home.run_program(f"{KEY}-start-server", "--target=busy", "--return_error_if_external_fail=yes")
    assert done.returncode == 11
    assert "port 12345 on 127.0.0.78" in done.stdout
    assert "Traceback" not in done.stdout


def test_nodes_that_are_down(home, tmp_path):
    """With no node up a run ends within its time-out, names address and role, and leaves no timer file."""
    document = farm_document("alexnet-5")
    _register(home, tmp_path, "down", document)
    done = home.run_program(KEY, "--target=down", "--return_error_if_external_fail=yes")
    assert done.returncode == 11
    assert "likely failed" in done.stdout
    assert "Traceback" not in done.stdout
    assert _named_roles(done.stdout, document)
    assert not home.timer.exists()


def test_a_node_that_dies(farm, tmp_path):
    """A node killed in mid-run ends the run within a bounded time, with address and role; CK gets no figures."""
    document = farm_document("alexnet-5")
    _register(farm, tmp_path, "dying", document)
    victim = document["node"]["block3"][0]
    server = ("run", "program:request-iot-benchmark", f"--cmd_key={KEY}-start-server", "--target=dying")
    run = ("run", "program:request-iot-benchmark", f"--cmd_key={KEY}", "--target=dying", "--env.STAT_REPEAT=100000")
    with farm.background(*server) as (nodes, nodes_log):
        _wait_for(nodes_log, "ready: ", NODES, nodes)
        with farm.background(*run, "--return_error_if_external_fail=yes", "--generate_rnd_tmp_dir=yes") as (
            process,
            log,
        ):
            _wait_for(log, "measuring: ", 1, process)
            (node,) = [
                child for child in psutil.Process(nodes.pid).children(recursive=True) if victim in child.cmdline()
            ]
            node.kill()
            assert process.wait(120) == 11
            text = log.read_text()
    assert _named_roles(text, document)
    assert "Traceback" not in text
    assert "INCOMPLETE" in text
    assert not list((farm.timer.parents[1]).glob("tmp*/tmp-ck-timer.json"))


def test_the_entry_of_2018_is_replayed(farm, place_published):
    """`ck replay` measures on our farm what was published in 2018, and puts the new figures beside the old ones."""
    # A repository of its own: our records of this farm have the entry's name.
    assert farm.ck("add", "repo:published", "--quiet").returncode == 0
    entry = place_published(farm.repos / "published")
    done = farm.ck(
        "replay", f"published:experiment:{entry.name}", "--subpoint=0001", "--repetitions=1", "--target=farm-5"
    )
    assert done.returncode == 0, done.stdout
    assert "Pipeline executed successfully!" in done.stdout
    assert "seconds per distinct, verified frame, max:  0.19654015490883275 vs 0." in done.stdout


def test_a_planned_farm(home, tmp_path):
    """What `iot-farm plan` wrote is added as a machine and measured by the key of planned farms; farm-5 is refused."""
    ports, devices = free_ports(4), tmp_path / "devices.json"
    devices.write_text(json.dumps([{"address": f"127.0.0.1:{port}"} for port in ports]))
    file = tmp_path / "planned.json"
    arguments = ("--model", "alexnet", "--devices", str(devices), "--network", "loopback", "--out", str(file))
    planned = iot_farm("plan", *arguments, environment={})
    assert planned.returncode == 0, planned.stdout + planned.stderr
    _register(home, tmp_path, "planned", json.loads(file.read_text()))
    server = ("run", "program:request-iot-benchmark", f"--cmd_key={PLANNED_KEY}-start-server", "--target=planned")
    with home.background(*server) as (process, log):
        _wait_for(log, "ready: ", len(ports) - 1, process)
        done = home.run_program(PLANNED_KEY, "--target=planned", "--env.STAT_REPEAT=6")
        assert done.returncode == 0, done.stdout
        assert json.loads(home.timer.read_text())["frames_verified"] == 6
    _register(home, tmp_path, "hand-made", farm_document("alexnet-5"))
    refused = home.run_program(PLANNED_KEY, "--target=hand-made")
    assert "target hand-made holds no plan" in refused.stdout
    assert not home.timer.exists()
