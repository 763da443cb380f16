"""A farm of stand-in nodes on this machine, for runs under fire."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.stand_ins.reference import stand_in_reference
from harness.bench.chaos import ChaosOutcome, run_under_fire, start_all, wait_until_ready
from harness.bench.faults import Fault
from harness.bench.options import RunOptions
from harness.bench.progress import Progress, Silent
from harness.bench.reference import Reference
from harness.farm.config import SPARE, FarmConfig
from harness.node.fleet import Fleet
from harness.partition.paper import partition, partition_for
from harness.plan.plan import Placement, Plan, make_plan
from harness.records.rules_frames import LEAST_IMAGES

PORT, INITIAL_PORT = 12460, 9960
READY_S = 60.0


@dataclass
class StandInFarm:
    """A farm that is up.

    Attributes:
        file: the farm file.
        plan: its plan.
        fleet: its processes.
        reference: the right answers.
    """

    file: Path
    plan: Plan
    fleet: Fleet
    reference: Reference

    def mend(self) -> None:
        """Start every node again that has ended, and wait until all are ready."""
        for address in self.fleet.addresses:
            if not self.fleet.running(address):
                self.fleet.restart(address)
        wait_until_ready(self.fleet, self.plan, READY_S)

    def run(
        self, seconds: float, faults: Sequence[Fault] = (), told: Progress | None = None, **options: object
    ) -> ChaosOutcome:
        """Measure it, and strike it meanwhile."""
        chosen = RunOptions(
            model=None,
            target_name="stand-ins",
            farm_file=self.file,
            least_s=seconds,
            **{"adapt": True, "frames": 50, **options},  # type: ignore[arg-type]
        )
        return run_under_fire(chosen, self.fleet, faults, told or Silent(), self.reference)


def document_of(
    name: str, spares: int, net: str, nodes: Mapping[str, int] | None = None
) -> dict[str, dict[str, list[str]]]:
    """A farm file for a partition of the paper, and spares; an address of `net`.N for each device.

    Args:
        name: partition of the paper.
        spares: devices that stand ready.
        net: first three numbers of the addresses.
        nodes: role -> number of its nodes, where it is not the paper's.
    """
    cut = partition(name)
    addresses = iter(range(1, 250))
    roles = {"initial": [f"{net}.{next(addresses)}:{INITIAL_PORT}"]}
    for role in cut.roles:
        roles[role.name] = [f"{net}.{next(addresses)}:{PORT}" for _ in range((nodes or {}).get(role.name, role.nodes))]
    if spares:
        roles[SPARE] = [f"{net}.{next(addresses)}:{PORT}" for _ in range(spares)]
    return {"node": roles}


@contextmanager
def stand_in_farm(
    folder: Path,
    name: str = "alexnet-6",
    *,
    spares: int = 1,
    net: str = "127.0.44",
    extra: Mapping[str, Sequence[str]] | None = None,
    user: Callable[[], int] | None = None,
    nodes: Mapping[str, int] | None = None,
    ready_s: float = READY_S,
) -> Iterator[StandInFarm]:
    """A farm of stand-in nodes, up on entry and gone on exit.

    Args:
        folder: takes the farm file and the logs.
        name: partition of the paper.
        spares: devices that stand ready.
        net: first three numbers of the addresses.
        extra: role, "role 0" (a part) or "role replica 0" -> further options of its nodes, see
            `benchmarks.stand_ins.node`.
        user: gives the user id that the next node process runs as (root alone can do that).
        nodes: role -> number of its nodes, where it is not the paper's.
        ready_s: how long they may take to be ready.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-stand-ins.json"
    file.write_text(json.dumps(document_of(name, spares, net, nodes)))
    farm = FarmConfig.load(file)
    plan = make_plan(partition_for(farm), farm)
    options = extra or {}

    def command(placement: Placement) -> list[str]:
        names = (placement.role, f"{placement.role} {placement.part}", f"{placement.role} replica {placement.replica}")
        own = [option for name in names for option in options.get(name, ())]
        other = ["setpriv", f"--reuid={user()}", "--clear-groups"] if user else []
        base = [*other, sys.executable, "-m", "benchmarks.stand_ins.node", "--target", str(file)]
        return [*base, "--address", str(placement.address), *own]

    with Fleet(command, folder / "logs") as fleet:
        start_all(fleet, plan, ready_s, lambda _: None)
        yield StandInFarm(file, plan, fleet, stand_in_reference(plan, max(LEAST_IMAGES, 2 * len(plan.placements))))
