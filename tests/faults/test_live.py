"""A farm at work, looked at and changed from other terminals; and the command that puts a real one under fire."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from farms import Farm, farm_document, iot_farm

from benchmarks.stand_ins.farm import PORT, StandInFarm, stand_in_farm
from harness.bench.chaos import ChaosOutcome
from harness.records.check import check_file

NET = "127.0.57"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInFarm]:
    """Stand-in nodes and a spare."""
    served = {"block1": ("--service-s", "0.005"), "spare": ("--service-s", "0.005")}
    with stand_in_farm(tmp_path_factory.mktemp("live"), "alexnet-5", net=NET, extra=served) as running:
        yield running


def command(farm: StandInFarm, name: str, *rest: str) -> tuple[int, str]:
    """`iot-farm farm NAME FARM …`; exit code and all output."""
    done = iot_farm("farm", name, str(farm.file), *rest, environment={})
    return done.returncode, done.stdout + done.stderr


def look(farm: StandInFarm) -> dict:
    """What `farm watch` says now."""
    code, said = command(farm, "watch", "--once", "--json")
    assert code == 0, said
    return json.loads(said)


def until(farm: StandInFarm, address: str, roles: bool) -> dict:
    """Look until a device computes something, or nothing."""
    end_s = time.monotonic() + 30
    while True:
        state = look(farm)
        (device,) = [one for one in state["devices"] if one["address"] == address]
        if bool(device["roles"]) is roles:
            return state
        assert time.monotonic() < end_s, state


def test_a_farm_is_watched_and_changed(farm: StandInFarm, tmp_path: Path) -> None:
    """`watch` shows who computes what; `leave` and `join` change it in mid-run, for strangers too; no frame is lost."""
    outcomes: list[ChaosOutcome] = []
    stranger = f"{NET}.99:{PORT}"
    half = str(next(node.address for node in farm.plan.placements if node.role == "block2"))
    base = [sys.executable, "-m", "benchmarks.stand_ins.node", "--target", str(farm.file), "--spare"]
    with Popen([*base, "--address", stranger, "--stop-on-eof"], stdin=PIPE) as node:
        run = threading.Thread(target=lambda: outcomes.append(farm.run(25)))
        run.start()
        try:
            end_s = time.monotonic() + 30
            while command(farm, "watch", "--once")[0] != 0:
                assert time.monotonic() < end_s
            shares = [role for device in look(farm)["devices"] for role in device["roles"]]
            assert sorted(shares) == ["block1/0", "block2/0", "block2/1", "block3/0"]
            assert command(farm, "leave", half)[0] == 0
            state = until(farm, half, roles=False)
            assert "left" in state["changes"][-1]["why"]
            assert command(farm, "join", stranger)[0] == 0
            until(farm, stranger, roles=True)
            code, said = command(farm, "leave", f"{NET}.98")
            assert (code, "is no device of this farm" in said) == (2, True), said
        finally:
            run.join()
            assert node.stdin is not None
            node.stdin.close()
    (outcome,) = outcomes
    assert (outcome.lost, outcome.wrong, outcome.repeated) == (0, 0, 0)
    assert outcome.record.verdict.valid
    assert outcome.record.adapted is not None
    assert outcome.record.adapted["changes"]


def test_nobody_at_work(farm: StandInFarm) -> None:
    """Without a run there is nothing to watch or to change: one line that says so, exit code 3."""
    for name, rest in (("watch", ()), ("join", (f"{NET}.9",)), ("leave", (f"{NET}.9",))):
        code, said = command(farm, name, *rest)
        assert code == 3, said
        assert "no run is at work" in said
        assert "Traceback" not in said


@pytest.mark.timeout(240)
def test_chaos_on_a_real_farm(tmp_path: Path) -> None:
    """AlexNet on five real devices and a spare under fire: every frame comes back once and right, and is recorded."""
    document = farm_document("alexnet-5")
    document["node"]["spare"] = [f"127.0.46.9:{PORT}"]
    file = tmp_path / "farm.json"
    file.write_text(json.dumps(document))
    environment = {"IOT_FARM_STATE": str(tmp_path / "state"), "IOT_FARM_RESULTS": str(tmp_path / "results")}
    options = ("--seconds", "12", "--kills", "2", "--stops", "1", "--seed", "3", "--json")
    done = iot_farm("chaos", str(file), *options, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["kills"], told["stops"]) == (2, 1)
    assert (told["lost"], told["wrong"], told["repeated"]) == (0, 0, 0)
    assert told["tables"] >= 1
    audit = check_file(Path(told["record"]))
    assert audit.status == "VALID", audit.reasons
    assert any("steady" in note for note in audit.notes)
    assert not Farm(file, "alexnet-5", environment).command("farm", "status", str(file)).stdout.count("[x]")
