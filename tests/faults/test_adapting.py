"""Rows of the fault matrix that need a farm that goes on: real nodes with stand-in blocks."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults.namespaces import TOOLS, namespace

from benchmarks.stand_ins.farm import StandInFarm, stand_in_farm
from benchmarks.stand_ins.node import POINTS
from harness.bench.chaos import ChaosOutcome
from harness.bench.faults import Fault, FaultKind
from harness.errors import FarmError
from harness.records.canonical import canonical
from harness.records.check import check_file
from harness.records.manifest import seal

SERVED = {"block1": ("--service-s", "0.004"), "spare": ("--service-s", "0.004")}
ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("cut_farm.py")
PATIENCE_S = 5.0
"""Gaps are measured by `python -m benchmarks.audit gaps`; here they are bounded so that a busy machine passes."""
_nets = itertools.count(50)

Farms = Callable[..., AbstractContextManager[StandInFarm]]


@pytest.fixture
def farms(tmp_path: Path) -> Farms:
    """Makes farms of stand-in nodes, alexnet-5 and a spare where nothing else is said."""

    def make(name: str = "alexnet-5", **options: Any) -> AbstractContextManager[StandInFarm]:
        options = {"extra": SERVED, **options}
        return stand_in_farm(tmp_path / "farm", name, net=f"127.0.{next(_nets)}", **options)

    return make


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandInFarm]:
    """A farm that several rows harm, one after the other."""
    with stand_in_farm(tmp_path_factory.mktemp("shared"), "alexnet-5", net="127.0.49", extra=SERVED) as running:
        yield running


@pytest.fixture
def farm(shared: StandInFarm) -> StandInFarm:
    """The shared farm, all of its nodes up again."""
    shared.mend()
    return shared


def index_of(farm: StandInFarm, role: str, part: int = 0) -> int:
    """The place of a role's device in the plan."""
    return next(n for n, node in enumerate(farm.plan.placements) if (node.role, node.part) == (role, part))


def require_held(outcome: ChaosOutcome) -> None:
    """Nothing lost, wrong, or counted twice, and the record is VALID, to whoever reads it too."""
    assert (outcome.lost, outcome.wrong, outcome.repeated) == (0, 0, 0), outcome.record.verdict
    assert outcome.record.verdict.valid, outcome.record.verdict
    assert outcome.sent >= 50
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.json"
        path.write_bytes(canonical(seal(outcome.record.to_document())))
        audit = check_file(path)
    assert audit.status == "VALID", audit.reasons


def changes(outcome: ChaosOutcome) -> list[dict[str, Any]]:
    """The tables that came into force."""
    assert outcome.record.adapted is not None
    found: list[dict[str, Any]] = outcome.record.adapted["changes"]
    return found


def test_row_01_dead_before_the_run(farm: StandInFarm) -> None:
    """A run that may change goes on without a node that is down, its spare in place; one that may not names it."""
    dead = farm.plan.placements[index_of(farm, "block2", 1)].address
    farm.fleet.kill(dead)
    outcome = farm.run(1)
    require_held(outcome)
    (spare,) = (str(node.address) for node in farm.plan.spares)
    assert changes(outcome)[-1]["holders"]["block2/1"] == [spare]
    with pytest.raises(FarmError, match=f"block2 part 2 of 2 at {dead} is down"):
        farm.run(0, adapt=False)


@pytest.mark.parametrize("role", ["block1", "block3", "spare"])
def test_row_02_dies_during_a_frame(farm: StandInFarm, role: str) -> None:
    """A node that is killed while it computes is replaced by the spare, and its frames are sent again.

    A spare that is killed changes nothing, and the record tells that it was lost.
    """
    outcome = farm.run(4, [Fault(1.0, FaultKind.KILL, index_of(farm, role))])
    require_held(outcome)
    assert len(outcome.struck) == 1
    assert outcome.record.adapted is not None
    # Others may be there too: on a busy machine beats are missed by devices that live.
    assert str(outcome.struck[0].address) in outcome.record.adapted["lost"]
    assert outcome.record.adapted["sent_again"] > 0 or role == "spare"
    assert outcome.longest_gap_s < PATIENCE_S


@pytest.mark.parametrize("point", [point for point in POINTS if point != "first-part"])
def test_row_03_dies_at_a_named_point(farms: Farms, point: str) -> None:
    """A node that dies with a frame, a result, or a posted result in hand loses none, and nothing counts twice."""
    dying = {**SERVED, "block3": ("--die-at", point, "--die-frame", "60")}
    with farms(extra=dying) as farm:
        address = farm.plan.placements[index_of(farm, "block3")].address
        outcome = farm.run(3)
        assert not farm.fleet.running(address)  # it did die
    require_held(outcome)


def test_row_04_half_dies(farms: Farms) -> None:
    """With a spare the dead half is taken over; without one another device holds two shares until it is back."""
    with farms(spares=0) as farm:
        outcome = farm.run(5, [Fault(1.0, FaultKind.KILL, index_of(farm, "block2", 0))])
        tables = [change["holders"].values() for change in changes(outcome)]
        assert any(len({address for found in table for address in found}) == 3 for table in tables)
    require_held(outcome)
    assert outcome.longest_gap_s < PATIENCE_S


def test_row_04_no_half_left(farms: Farms) -> None:
    """Every device of the farm dies at once: the frames wait, and all of them come back when the devices do."""
    with farms(spares=0) as farm:
        every = range(len(farm.plan.placements))
        outcome = farm.run(6, [Fault(1.0, FaultKind.KILL, device) for device in every])
        assert len(outcome.struck) == len(every)
    require_held(outcome)
    assert changes(outcome)


def test_row_05_joining_node_dies_with_one_half(farms: Farms) -> None:
    """The node that joins the halves dies with the first in hand: both are computed anew, none of them is left over."""
    with farms(extra={**SERVED, "block3": ("--die-at", "first-part", "--die-frame", "40")}) as farm:
        outcome = farm.run(3)
        require_held(outcome)
        spare = farm.run(0, adapt=True)  # the same farm again, without the dead one: nothing of the first run is left
    require_held(spare)
    assert outcome.record.adapted["sent_again"] > 0


def under_cut(which: str, row: int) -> dict[str, Any]:
    """What became of a farm whose network was cut for three seconds, in a network namespace."""
    command = namespace(row, instead="it needs root, nft and setpriv", tools=(*TOOLS, "setpriv"), root=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the nodes run as other users
        done = subprocess.run(
            [*command, sys.executable, str(PROGRAM), folder, which],
            # Other users may not read this one's keys: a folder without any.
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))), "IOT_FARM_KEYS": folder},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["lost"], told["wrong"], told["repeated"], told["status"]) == (0, 0, 0, "VALID"), told
    return told


def test_row_07_initial_cut_off() -> None:
    """The initial is cut off for three seconds and comes back: every frame counts once. Control: nothing is cut."""
    told = under_cut("initial", 7)
    assert told["gap_s"] >= 2.5
    assert told["sent_again"] > 0
    control = under_cut("none", 7)
    assert control["gap_s"] < told["gap_s"]


def test_row_10_two_nodes_cut_from_each_other() -> None:
    """Two nodes that both answer the initial and not each other: one of them is replaced, and the frames go on."""
    told = under_cut("pair", 10)
    assert any("takes its place" in why for why in told["why"])
    assert told["gap_s"] < PATIENCE_S


def test_row_11_cut_in_one_direction() -> None:
    """The same where only one of them does not reach the other."""
    told = under_cut("one-way", 11)
    assert any("takes its place" in why for why in told["why"])
    assert told["gap_s"] < PATIENCE_S


def test_row_08_straggler(farms: Farms) -> None:
    """Of two devices with the same share, one five times slower, the slow one gets about a sixth of the frames."""
    served = {"block1": ("--service-s", "0.01"), "block1 replica 1": ("--service-s", "0.05")}
    with farms("alexnet-6", spares=0, extra=served) as farm:
        outcome = farm.run(4, adapt=False)
    assert outcome.record.verdict.valid
    computed = [
        node["statistics"]["computed"] for node in outcome.record.nodes if node["description"]["role"] == "block1"
    ]
    assert computed[1] / sum(computed) < 0.3  # in turns it were a half


def test_row_09_frozen(farm: StandInFarm) -> None:
    """A node that stands still for 1.5 s counts as dead after two beats, and stands ready again afterwards."""
    outcome = farm.run(5, [Fault(1.0, FaultKind.FREEZE, index_of(farm, "block2", 1))])
    require_held(outcome)
    assert any(f"{outcome.struck[0].address} is gone" in change["why"] for change in changes(outcome))
    assert outcome.longest_gap_s < PATIENCE_S
    again = farm.run(1, adapt=False)  # it rejoined: every node of the plan answers
    assert again.record.verdict.valid


def test_row_21_backpressure(farm: StandInFarm) -> None:
    """Frames due far faster than the farm computes are dropped at the source; queues and memory of the nodes stay."""
    processes = [psutil.Process(one.process.pid) for one in farm.fleet._members.values()]
    before = [process.memory_info().rss for process in processes]
    outcome = farm.run(0, frames=3000, rate_fps=2500.0, adapt=False)
    grown = [process.memory_info().rss - rss for process, rss in zip(processes, before, strict=True)]
    assert outcome.record.metrics["frames_dropped"] > 0
    assert (outcome.lost, outcome.wrong, outcome.repeated) == (0, 0, 0)
    assert max(grown) < 64 * 2**20


def test_row_26_flaps(farm: StandInFarm) -> None:
    """A device that is killed again and again is held back: tables change once a second at most, none is lost."""
    device = index_of(farm, "block1")
    outcome = farm.run(9, [Fault(1.0 + 2 * n, FaultKind.KILL, device) for n in range(4)])
    require_held(outcome)
    assert len(outcome.struck) == 4
    assert len(changes(outcome)) <= outcome.record.metrics["window_s"] + 1
