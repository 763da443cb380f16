"""One of two devices with the same share is 5 or 20 times slower: which share of the sum of both rates is reached.

Service times are sleeps, so that the cores of this machine do not matter. The rate is that of the verified results
from the first send to the last one: what is still under way then keeps one device busy alone, however it was shared
out. Frames in turn to both devices are the control, measured on the same farm; it must miss the aim.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from unittest.mock import patch

from benchmarks.audit.printed import none_of, print_goals
from benchmarks.goal import Goal
from benchmarks.stand_ins.farm import StandInFarm, stand_in_farm
from harness import initial
from harness.bench.chaos import ChaosOutcome
from harness.dispatch import Dispatcher
from harness.plan.table import Way
from harness.records.record import FrameSample

NET = "127.0.46"
SERVICE_S = 0.04
TIMES = (5, 20)
IN_FLIGHT = 12
"""Enough that the fast device is never idle for want of a frame, on a machine whose cores are busy with other work."""
LEAST = 0.9


class InTurns(Dispatcher):
    """The control: each holder of a share in turn, as the published scripts did."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._turns = count()

    def _soonest(self) -> Way:
        turn = next(self._turns)
        return tuple(turn % len(holders) for holders in self.table.holders.values())


@dataclass(frozen=True)
class Straggling:
    """A farm with one slow device.

    Attributes:
        slower: how many times.
        ours, adapting, control: outcomes of a plain run, of one that may change the farm, and of frames in turn.
    """

    slower: int
    ours: ChaosOutcome
    adapting: ChaosOutcome
    control: ChaosOutcome

    def share(self, outcome: ChaosOutcome) -> float:
        """Rate of a run as a share of the sum of both devices' rates."""
        return loaded_rate_fps(outcome.record.frames) / sum_of_rates_fps(self.slower)


def sum_of_rates_fps(slower: float) -> float:
    """What both devices could do if each were always at work, frames/s."""
    return 1 / SERVICE_S + 1 / (SERVICE_S * slower)


def loaded_rate_fps(frames: Sequence[FrameSample]) -> float:
    """Verified results per second from the first send to the last one; 0 where all frames were sent at once."""
    last_s = max((frame.sent_s for frame in frames), default=0.0)
    back = sum(frame.verified_s is not None and frame.verified_s <= last_s for frame in frames)
    return back / last_s if last_s else 0.0


def straggle(folder: Path, slower: int, seconds: float, in_flight: int) -> Straggling:
    """Run a farm of alexnet-6 without a spare, one of its two block1 slower than the other."""
    served = {
        "block1": ("--service-s", str(SERVICE_S)),
        "block1 replica 1": ("--service-s", str(SERVICE_S * slower)),
    }

    def run(farm: StandInFarm, *, adapt: bool) -> ChaosOutcome:
        return farm.run(seconds, in_flight=in_flight, adapt=adapt)

    with stand_in_farm(folder, "alexnet-6", spares=0, net=NET, extra=served) as farm:
        ours = run(farm, adapt=False)
        adapting = run(farm, adapt=True)
        # The initial runs in this process; its account is what decides where frames go.
        with patch.object(initial, "Dispatcher", InTurns):
            control = run(farm, adapt=False)
    return Straggling(slower, ours, adapting, control)


def main() -> int:
    """Print one table; 0 where the aim is met, and missed by the control."""
    parser = argparse.ArgumentParser(prog="straggler", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each of the six runs")
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    chosen = parser.parse_args()
    goals, remarks = [], []
    for slower in TIMES:
        print(f"{slower} times slower", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            found = straggle(Path(folder), slower, chosen.seconds, chosen.in_flight)
        aim = 100 * LEAST
        runs = (found.ours, found.adapting, found.control)
        plain, adapting, control = (100 * found.share(outcome) for outcome in runs)
        goals += [
            Goal(f"{slower} times slower: share of the sum of rates", plain, aim, True, " %", 1),
            Goal(f"{slower} times slower, farm may change", adapting, aim, True, " %", 1),
            Goal(f"{slower} times slower, the control: frames in turn", control, aim, False, " %", 1),
            none_of("frames lost, wrong or counted twice", sum(not outcome.held for outcome in runs)),
        ]
        whole = [f"{100 * run.record.metrics['ips'] / sum_of_rates_fps(slower):.0f} %" for run in runs]
        again = (found.adapting.record.adapted or {}).get("sent_again", "unknown")
        remarks.append(
            f"{slower} times slower: both together {sum_of_rates_fps(slower):.2f} frames/s; with what is under way at "
            f"the end {', '.join(whole)}; sent again where the farm may change: {again}"
        )
    remarks.append(f"{chosen.in_flight} frames in flight, {1000 * SERVICE_S:g} ms for each frame")
    return print_goals(goals, remarks)
