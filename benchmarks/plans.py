"""What plans promise beside other cuts, and how long they take: `python -m benchmarks.plans`, a minute and a half."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from random import Random

from benchmarks.random_plans import random_assignment
from harness.models.catalogue import model
from harness.partition.paper import partition, partition_names
from harness.plan.assignment import assignment_of, partition_of
from harness.plan.cost import predict
from harness.plan.farm_file import loopback
from harness.plan.network import network_called
from harness.plan.objective import OBJECTIVES
from harness.plan.planner import plan_model
from harness.plan.site import FarmDevice, Site
from harness.plan.stage_cost import StageModel
from harness.profile.shipped import shipped_profile

_ROUNDS = 3
_RANDOM_PLANS = 200
_KINDS = (["rpi3"], ["rpi3", "rpi3", "tx2-cpu"], ["rpi3", "tx2-cpu", "tx2-gpu"])
_EXACT_S, _BOUNDED_S = 1.0, 10.0


def site(count: int, kinds: Sequence[str]) -> Site:
    """So many devices of these kinds in turn, the initial included."""
    profiles = [shipped_profile(kinds[number % len(kinds)]) for number in range(count)]
    devices = [
        FarmDevice(f"device{number}", profile, profile.device.memory_bytes, loopback(number))
        for number, profile in enumerate(profiles)
    ]
    return Site(devices[0], tuple(devices[1:]), network_called("wifi-n"))


def main() -> int:
    """Print what plans promise and how long they take; 1 where a goal was missed."""
    missed = _against_others()
    print("| model | devices | kinds | objective | search | seconds, median [range] of processor time | goal |")
    print("|---|---|---|---|---|---|---|")
    for count, goal_s in ((12, _EXACT_S), (1000, _BOUNDED_S)):
        for name in ("alexnet", "vgg16"):
            for kinds in _KINDS:
                for objective in OBJECTIVES if count < 100 else OBJECTIVES[:1]:
                    missed += _line(name, count, kinds, objective, goal_s)
    return 1 if missed else 0


def _against_others() -> int:
    """The paper's farms of Raspberry Pis: the paper's cut, the best of 200 random plans, and the plan."""
    missed = 0
    print("| farm | the paper's cut, frames/s | best of 200 random plans | planned | roles | never worse |")
    print("|---|---|---|---|---|---|")
    for cut in map(partition, partition_names()):
        farm, random = site(cut.devices, _KINDS[0]), Random(cut.devices)  # noqa: S311  repeatable
        costs = StageModel(cut.graph, farm)
        others = [random_assignment(cut.graph, cut.devices - 1, random) for _ in range(_RANDOM_PLANS)]
        best = max(predict(cut.graph, farm, other, model=costs).ips for other in others)
        paper = predict(cut.graph, farm, assignment_of(cut), model=costs).ips
        planned = plan_model(cut.graph, farm, every=False).best
        roles = ", ".join(
            f"{role.layers[0]}..{role.layers[-1]} {role.parts}x{role.replicas}"
            for role in partition_of(planned.assignment, cut.graph).roles
        )
        ips = planned.prediction.ips
        met = ips >= max(best, paper) * (1 - 1e-9)
        missed += not met
        print(f"| {cut.name} | {paper:.3f} | {best:.3f} | {ips:.3f} | {roles} | {'yes' if met else 'no'} |")
    print()
    return missed


def _line(name: str, count: int, kinds: Sequence[str], objective: str, goal_s: float) -> bool:
    farm, times_s, search = site(count, kinds), [], "bounded"
    for _ in range(_ROUNDS):
        begun_s = time.process_time()
        result = plan_model(model(name), farm, objective=objective)
        times_s.append(time.process_time() - begun_s)
        search = "exact" if all(planned.exact for planned in result.by_devices.values()) else "bounded"
    median_s = statistics.median(times_s)
    met = median_s <= goal_s
    spread = f"{median_s:.2f} [{min(times_s):.2f} to {max(times_s):.2f}]"
    shown = f"{goal_s:g} s: {'yes' if met else 'no'}"
    print(f"| {name} | {count} | {len(set(kinds))} | {objective} | {search} | {spread} | {shown} |", flush=True)
    return not met


if __name__ == "__main__":
    sys.exit(main())
