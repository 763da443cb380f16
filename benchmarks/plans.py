"""How long plans take: exact ones of twelve devices, bounded ones of a thousand. `python -m benchmarks.plans`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence

from harness.models.catalogue import model
from harness.plan.farm_file import loopback
from harness.plan.network import network_called
from harness.plan.objective import OBJECTIVES
from harness.plan.planner import plan_model
from harness.plan.site import FarmDevice, Site
from harness.profile.shipped import shipped_profile

_ROUNDS = 3
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
    """Print a line for each plan; 1 where a goal was missed."""
    missed = 0
    print("| model | devices | kinds | objective | search | seconds, median [range] of processor time | goal |")
    print("|---|---|---|---|---|---|---|")
    for count, goal_s in ((12, _EXACT_S), (1000, _BOUNDED_S)):
        for name in ("alexnet", "vgg16"):
            for kinds in _KINDS:
                for objective in OBJECTIVES if count < 100 else OBJECTIVES[:1]:
                    missed += _line(name, count, kinds, objective, goal_s)
    return 1 if missed else 0


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
