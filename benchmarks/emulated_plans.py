"""Plans beside other cuts on the imitated farm of the paper: `python -m benchmarks.emulated_plans`, fifteen minutes.

For each of the paper's farms the paper's cut, the plan, and the best of 200 random plans (by the cost model) run on as
many imitated Raspberry Pis, every frame computed and checked. What was predicted before stands beside what was
measured: the pace by the cost model, pace and latencies by the simulation, which knows the Pi's profile and no run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.avro_farm import AvroFarm
from benchmarks.contestant import BenchmarkError
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.random_plans import random_assignment
from harness.farm.config import INITIAL_PORT, NODE_PORT, Address
from harness.partition.paper import partition, partition_names
from harness.partition.partition import Partition
from harness.plan import cost
from harness.plan.assignment import Assignment, assignment_of, partition_of
from harness.plan.farm_file import farm_document, farm_text
from harness.plan.network import network_called
from harness.plan.planner import plan_model
from harness.plan.site import FarmDevice, Site
from harness.plan.stage_cost import StageModel
from harness.profile.shipped import shipped_profile
from harness.simulate.against import FIGURES, Prediction, asked_by, predict_run
from harness.simulate.fit import unfitted
from harness.simulate.scene import DEFAULT_JITTER

DEVICE, NETWORK = "rpi3", "wifi-n"
PAPER, PLANNED = "the paper's cut", "planned"
RANDOM_PLANS = 200
FRAMES = {"alexnet": 200, "vgg16": 66}
"""So many that a 90th percentile has samples enough."""
_AIMS = {"ips": 10.0, "latency_p50_s": 20.0, "latency_p90_s": 20.0}
_TRIES = 3
_WORSE = 0.98
"""Two runs of one farm differ by up to two per cent: a run in which more frames came late is INVALID."""


@dataclass(frozen=True)
class Contestant:
    """One assignment of a farm.

    Attributes:
        farm: name of the paper's cut with as many devices.
        title: where the assignment comes from.
        assignment: of the site's devices.
        site: devices on addresses of their own.
        planned: what the cost model promises.
    """

    farm: str
    title: str
    assignment: Assignment
    site: Site
    planned: cost.Prediction

    @property
    def window_ips(self) -> float:
        """Frames per second of a whole window by the cost model: the first frame alone, the others at its pace."""
        frames = FRAMES[self.assignment.model]
        return frames / (self.planned.latency_s + (frames - 1) * self.planned.period_s)

    def roles(self) -> str:
        """Its roles in words: "conv1..pool1 1x2", parts and replicas."""
        found = partition_of(self.assignment, partition(self.farm).graph).roles
        return ", ".join(f"{one.layers[0]}..{one.layers[-1]} {one.parts}x{one.replicas}" for one in found)


@dataclass(frozen=True)
class Measured:
    """One contestant's run, beside what was said of it.

    Attributes:
        contestant: what ran.
        prediction: the simulation beside the run.
    """

    contestant: Contestant
    prediction: Prediction

    @property
    def ips(self) -> float:
        """Frames per second that were measured."""
        found = self.prediction.measured("ips")
        assert found is not None
        return found

    def row(self) -> list[str]:
        """As a row of the table."""
        cells = [self.contestant.farm, self.contestant.title, self.contestant.roles()]
        cells += [f"{self.contestant.planned.ips:.3f}", f"{self.contestant.window_ips:.3f}"]
        for figure in FIGURES:
            predicted, found = self.prediction.predicted(figure), self.prediction.measured(figure)
            error = self.prediction.error(figure)
            cells += [
                "unknown" if predicted is None else f"{predicted:.3f}",
                "unknown" if found is None else f"{found:.3f}",
                "unknown" if error is None else f"{error:+.1%}",
            ]
        return cells

    def to_document(self) -> dict[str, Any]:
        """As plain data."""
        figures = {
            name: {figure: getter(figure) for figure in FIGURES}
            for name, getter in (
                ("simulated", self.prediction.predicted),
                ("measured", self.prediction.measured),
                ("error", self.prediction.error),
            )
        }
        one = self.contestant
        return {
            "farm": one.farm,
            "title": one.title,
            "roles": one.roles(),
            "stages": [asdict(stage) for stage in one.assignment.stages],
            "cost_model_ips": one.planned.ips,
            "cost_model_window_ips": one.window_ips,
            **figures,
        }


def contestants(cut: Partition, best: int, first: int) -> list[Contestant]:
    """What runs on a farm; a plan that is the paper's cut runs once.

    Args:
        cut: the paper's.
        best: of how many random plans those that the cost model thinks best.
        first: number of the first farm, for addresses of its own.
    """
    graph, random = cut.graph, Random(cut.devices)  # noqa: S311  repeatable
    site = _site(cut.devices, 0)
    costs = StageModel(graph, site, conv_splits="all")
    drawn = [random_assignment(graph, cut.devices - 1, random) for _ in range(RANDOM_PLANS)]
    drawn.sort(key=lambda one: -cost.predict(graph, site, one, model=costs).ips)
    titles = {PAPER: assignment_of(cut), PLANNED: plan_model(graph, site, every=False).best.assignment}
    if _form(titles[PLANNED]) == _form(titles[PAPER]):
        titles = {f"{PAPER} = {PLANNED}": titles[PAPER]}
    known = {_form(one) for one in titles.values()}
    others = {_form(one): (number, one) for number, one in reversed(list(enumerate(drawn, 1)))}
    for number, one in sorted((others[form] for form in others.keys() - known), key=itemgetter(0))[:best]:
        titles[f"random, number {number} of {RANDOM_PLANS}"] = one
    return [
        Contestant(cut.name, title, one, _site(cut.devices, first + at), cost.predict(graph, site, one, model=costs))
        for at, (title, one) in enumerate(titles.items())
    ]


def measure(one: Contestant, folder: Path) -> Measured | None:
    """A run of a contestant; None where three were not VALID, because the machine had something else to do."""
    for _ in range(_TRIES):
        try:
            found = _run(one, folder)
        except BenchmarkError as error:
            _say(one, str(error))
        else:
            _say(one, f"{found.ips:.3f} frames/s")
            return found
    return None


def _run(one: Contestant, folder: Path) -> Measured:
    """Start the imitated farm, run it once, stop it.

    Raises:
        BenchmarkError: a command failed, or the run is not VALID.
    """
    graph = partition(one.farm).graph
    place = Path(tempfile.mkdtemp(prefix=f"{one.farm}-", dir=folder))
    file = place / "farm.json"
    file.write_text(farm_text(farm_document(graph, one.site, one.assignment)), encoding="utf-8")
    farm = AvroFarm(
        model=graph.name,
        partition=None,
        farm_file=file,
        seed=2018,
        frames=FRAMES[graph.name],
        folder=place,
        options=("--emulate", f"{DEVICE}+{NETWORK}"),
    )
    try:
        farm.start()
        farm.slot()
    finally:
        farm.stop()
    record = next((place / "runs").glob("*-*.json"))
    calibration = unfitted(shipped_profile(DEVICE), network_called(NETWORK), DEFAULT_JITTER)
    return Measured(one, predict_run(calibration, asked_by(record), jitter=0.0))


def _say(one: Contestant, text: str) -> None:
    print(f"{one.farm}, {one.title}: {text}", file=sys.stderr, flush=True)


def goals(found: Sequence[Measured], unknown: Collection[str]) -> list[Goal]:
    """The plan against all others on each farm, and how far predictions were off.

    Args:
        found: what was measured.
        unknown: farms of which a contestant was not.
    """
    made = []
    for farm in dict.fromkeys(one.contestant.farm for one in found):
        here = [one for one in found if one.contestant.farm == farm]
        planned = next((one for one in here if PLANNED in one.contestant.title), None)
        best = max((one.ips for one in here if one is not planned), default=None)
        # Without one of them nobody knows which is the better one.
        ratio = None if planned is None or best is None or farm in unknown else planned.ips / best
        made.append(Goal(f"{farm}: planned / the best other one, imitated", ratio, _WORSE, at_least=True))
    for figure, aim in _AIMS.items():
        errors = [abs(error) * 100 for one in found if (error := one.prediction.error(figure)) is not None]
        text = f"{figure.removesuffix('_s')}: largest error of {len(errors)} predictions"
        made.append(Goal(text, max(errors, default=None), aim, at_least=False, unit=" %", digits=1))
    off = [abs(one.contestant.window_ips / one.ips - 1) * 100 for one in found]
    text = f"ips of the window by the cost model: largest error of {len(off)}"
    return [*made, Goal(text, max(off, default=None), _AIMS["ips"], at_least=False, unit=" %", digits=1)]


def main() -> int:
    """Print both tables; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--farm", action="append", choices=partition_names(), help="this farm alone; may be repeated")
    parser.add_argument("--best", type=int, default=2, help="random plans that run, the best ones first")
    parser.add_argument("--at-once", type=int, default=2, help="imitated farms that run side by side")
    parser.add_argument("--folder", type=Path, default=Path("results/bench/emulated-plans"), help="takes the records")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    listed: list[Contestant] = []
    for name in chosen.farm or partition_names():
        listed += contestants(partition(name), chosen.best, len(listed) + 1)
    # A Pi needs ten times as long for a block as a core of a server, so that two farms leave the cores idle.
    with ThreadPoolExecutor(chosen.at_once) as pool:
        made = list(pool.map(lambda one: measure(one, chosen.folder), listed))
    found = [one for one in made if one is not None]
    missing = [one for one, had in zip(listed, made, strict=True) if had is None]
    headings = ["farm", "assignment", "roles", "IPS by the cost model", "of the window"]
    for figure in ("IPS", "p50, s", "p90, s"):
        headings += [f"{figure}, simulated", "measured", "error"]
    judged = goals(found, {one.farm for one in missing})
    lines = table(headings, [one.row() for one in found])
    lines += ["", *(f"Not measured: {one.farm}, {one.title}, {one.roles()}" for one in missing)]
    page = "\n".join([*lines, "", *table(["goal", "measured", "aim", "met"], [goal.row() for goal in judged])])
    print(page)
    (chosen.folder / "plans.md").write_text(page + "\n", encoding="utf-8")
    document = json.dumps([one.to_document() for one in found], indent=1)
    (chosen.folder / "plans.json").write_text(document + "\n", encoding="utf-8")
    return 0 if all(goal.met for goal in judged) else 1


def _form(assignment: Assignment) -> tuple[tuple[int, int, int, int, str], ...]:
    """Two assignments of this form differ in the names of their devices alone, which are all alike."""
    return tuple((one.begin, one.end, one.parts, len(one.replicas), one.split) for one in assignment.stages)


def _site(devices: int, farm: int) -> Site:
    """So many Raspberry Pis on loopback addresses that no other farm has."""
    profile, network = shipped_profile(DEVICE), 128 + os.getpid() % 64
    made = [
        FarmDevice(
            f"device{number}",
            profile,
            profile.device.memory_bytes,
            Address(f"127.{network}.{farm}.{number + 1}", NODE_PORT if number else INITIAL_PORT),
        )
        for number in range(devices)
    ]
    return Site(made[0], tuple(made[1:]), network_called(NETWORK))


if __name__ == "__main__":
    sys.exit(main())
