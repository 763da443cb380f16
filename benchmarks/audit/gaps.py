"""How long a farm with a spare gives no result when one of its devices is killed, or freezes.

Each device of alexnet-5 is struck by itself in an otherwise quiet run, so that every role is hit where it has a single
holder. The gap is the longest time between two verified results of the run.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.audit.printed import none_of, print_goals
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.stand_ins.farm import StandInFarm, stand_in_farm
from harness.bench.chaos import ChaosOutcome
from harness.bench.faults import Fault, FaultKind

PARTITION, NET = "alexnet-5", "127.0.45"
SECONDS = 6.0
LONGEST_S = 1.5
_SERVICE = ("--service-s", "0.004")


@dataclass(frozen=True)
class Strike:
    """One device struck in one run.

    Attributes:
        share: role and part that it held.
        kind: what happened.
        seed: of the moment.
        outcome: of the run.
    """

    share: str
    kind: FaultKind
    seed: int
    outcome: ChaosOutcome


def moment_s(seed: int, device: int) -> float:
    """When a device is struck, from the window's begin: a beat may have just passed, or be due."""
    return 1.5 + random.Random(f"{seed} {device}").random()  # noqa: S311  a moment, no secret


def strike(farm: StandInFarm, device: int, kind: FaultKind, seed: int) -> Strike:
    """Mend the farm, run it, and strike one device."""
    farm.mend()
    outcome = farm.run(SECONDS, [Fault(moment_s(seed, device), kind, device)])
    placement = farm.plan.placements[device]
    return Strike(f"{placement.role}/{placement.part}", kind, seed, outcome)


def strike_each(folder: Path, rounds: int, first: int) -> list[Strike]:
    """Kill and freeze each device that the plan gives a role, in turn."""
    found = []
    with stand_in_farm(folder, PARTITION, net=NET, extra=dict.fromkeys(("block1", "spare"), _SERVICE)) as farm:
        working = [number for number, placement in enumerate(farm.plan.placements) if not placement.spare]
        for seed in range(first, first + rounds):
            for kind in FaultKind:
                found += [strike(farm, device, kind, seed) for device in working]
                longest = max(one.outcome.longest_gap_s for one in found[-len(working) :])
                print(f"seed {seed}, {kind}: longest gap {longest:.2f} s", file=sys.stderr, flush=True)
    return found


def rows_of(found: list[Strike]) -> list[list[str]]:
    """A line for each device: its longest gap for each kind of fault (s)."""
    return [
        [share]
        + [
            f"{max(one.outcome.longest_gap_s for one in found if (one.share, one.kind) == (share, kind)):.2f}"
            for kind in FaultKind
        ]
        for share in dict.fromkeys(one.share for one in found)
    ]


def main() -> int:
    """Print one table; 0 where no gap was too long and no frame lost."""
    parser = argparse.ArgumentParser(prog="gaps", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="each device is killed and frozen so many times")
    parser.add_argument("--first", type=int, default=1, help="seed of the first round's moments")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = strike_each(Path(folder), chosen.rounds, chosen.first)
    goals = []
    for kind in FaultKind:
        gaps_s = [one.outcome.longest_gap_s for one in found if one.kind is kind]
        text = f"longest gap, {len(gaps_s)} devices {'killed' if kind is FaultKind.KILL else 'frozen'}"
        goals.append(Goal(text, max(gaps_s), LONGEST_S, at_least=False, unit=" s"))
    struck = sum(len(one.outcome.struck) for one in found)
    changed = sum(bool((one.outcome.record.adapted or {}).get("changes")) for one in found)
    broken = [one for one in found if not one.outcome.held]
    goals.append(Goal("devices struck", struck, len(found), at_least=True, digits=0))
    goals.append(Goal("runs in which another took its place", changed, len(found), at_least=True, digits=0))
    goals.append(none_of("runs with a frame lost, wrong or counted twice", len(broken)))
    late = [one for one in found if one.outcome.longest_gap_s > LONGEST_S or one in broken]
    remarks = table(["longest gap, s", *(str(kind) for kind in FaultKind)], rows_of(found))
    remarks += [f"* seed {one.seed}: {one.share} {one.kind}: {one.outcome.longest_gap_s:.2f} s" for one in late]
    return print_goals(goals, remarks)
