"""Farms of the paper beside the ideal and the stock pattern, as parts of the suite."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from benchmarks.avro_farm import AvroFarm
from benchmarks.comparison import Comparison, compare
from benchmarks.contestant import Contestant
from benchmarks.foreign_load import ForeignLoad
from benchmarks.goal import Goal
from benchmarks.ideal import Ideal
from benchmarks.markdown import table
from benchmarks.samples import Spread
from benchmarks.section import Part, Section, Setting
from benchmarks.stock import StockFarm
from harness.farm.config import FarmConfig
from harness.partition.paper import partition
from harness.partition.partition import INITIAL, Partition
from harness.plan.plan import make_plan

SEED = 2018
IMAGES = 16
OF_IDEAL = 0.97
_QUIET = 0.1
"""Share of the cores that others may take, in the median slot, before rates stop being comparable."""


@dataclass(frozen=True)
class Case:
    """How one partition is measured.

    Attributes:
        partition: name of the cut.
        frames: frames of a farm slot.
        slot_s: length of an ideal slot in seconds.
        warmup: frames before those of a farm slot; None leaves it to the run. The nodes stay up between the slots.
        stock_frames: frames of a slot of the stock pattern; 0 leaves it out.
        of_stock: how many times as fast as the stock pattern the farm should be.
    """

    partition: str
    frames: int
    slot_s: float
    warmup: int | None = None
    stock_frames: int = 0
    of_stock: float = 0.0


CASES = (
    Case("alexnet-5", 400, 3.0, stock_frames=25, of_stock=15.0),
    Case("alexnet-6", 400, 3.0),
    Case("vgg16-9", 60, 4.0, warmup=16),
    Case("vgg16-11", 56, 4.0, warmup=20, stock_frames=20, of_stock=2.0),
)
"""Frames are a multiple of the replicas and the cores, so that none has a frame more to compute than the others. The
pipeline fills and empties once in a slot, and the ideal has none: a slot of few frames would show that and little else.
"""

_METHOD = (
    "Contestants take turns in one run on the same cores, and each round begins with another one. IPS counts distinct",
    "frames; those of the farms were compared with the single-device output, every one. Figures are medians over the",
    "rounds with the range in brackets; ratios are taken round by round. The ideal moves no tensor, joins nothing and",
    "has no pipeline that fills and empties; it is a baseline and no upper bound. A loopback farm shows what cut, wire",
    "and harness cost on these cores, and is no prediction for devices and links of their own.",
)


def farm_parts() -> list[Part]:
    """A part for each case."""
    return [
        Part(
            case.partition,
            f"farm {case.partition} against the ideal" + " and stock" * bool(case.stock_frames),
            partial(measure_case, case),
        )
        for case in CASES
    ]


def farm_document(cut: Partition, network: int) -> dict[str, dict[str, list[str]]]:
    """A farm file on loopback addresses of this run alone: 127.<network>.0.x."""
    addresses = (f"127.{network}.0.{number}" for number in range(1, 255))
    roles = {INITIAL: [next(addresses)]}
    roles |= {role.name: [next(addresses) for _ in range(role.nodes)] for role in cut.roles}
    return {"node": roles}


def write_farm(cut: Partition, network: int, folder: Path) -> Path:
    """Write a farm file for a partition and return its path."""
    path = folder / f"farm-127-{network}.json"
    path.write_text(json.dumps(farm_document(cut, network), indent=1) + "\n", encoding="utf-8")
    return path


def measure_case(case: Case, setting: Setting) -> Section:
    """Start the contestants of one case, measure them in turn, and end them whatever happens.

    Raises:
        BenchmarkError: one of them could not be started or measured, or gave a wrong output.
    """
    return section_of(case, _compared(case, setting))


def _compared(case: Case, setting: Setting) -> Comparison:
    cut = partition(case.partition)
    folder, slot_s = setting.folder, 0.2 if setting.quick else case.slot_s
    ideal = Ideal(
        model=cut.graph.name, seed=SEED, images=IMAGES, processes=len(setting.cores), slot_s=slot_s, logs=folder
    )
    farm = AvroFarm(
        model=cut.graph.name,
        partition=cut.name,
        farm_file=write_farm(cut, 64 + os.getpid() % 64, folder),
        seed=SEED,
        frames=8 if setting.quick else case.frames,
        folder=folder,
        warmup=case.warmup,
    )
    contestants: list[Contestant] = [ideal, farm]
    with ExitStack() as ends:
        for contestant in (ideal, farm):
            setting.say(f"  starting {contestant.name}: {contestant.meaning}")
            ends.callback(contestant.stop)
            contestant.start()
        if case.stock_frames:
            plan = make_plan(cut, FarmConfig.load(write_farm(cut, 128 + os.getpid() % 64, folder)))
            baseline = StockFarm(
                plan=plan,
                seed=SEED,
                references=ideal.references(),
                frames=4 if setting.quick else case.stock_frames,
                in_flight=len(plan.placements) + 1,
                logs=folder,
            )
            setting.say(f"  starting {baseline.name}: {baseline.meaning}")
            ends.callback(baseline.stop)
            baseline.start()
            contestants.append(baseline)
        title = f"{cut.graph.title} on {cut.devices} devices ({cut.name})"
        load = ForeignLoad(setting.cores, farm.marker)
        return compare(title, cut.name, contestants, setting.rounds, load, setting.say)


def section_of(case: Case, found: Comparison) -> Section:
    """What a comparison leaves on the page and in the document."""
    goals = [Goal.of(f"{case.partition}: farm / ideal", found.ratio("farm", "ideal"), OF_IDEAL, at_least=True)]
    if case.of_stock:
        ratio = found.ratio("farm", "stock") if "stock" in found.meanings else None
        goals.append(Goal.of(f"{case.partition}: farm / stock", ratio, case.of_stock, at_least=True))
    lines = [f"## {found.title}", "", *_METHOD, "", *_comparison_table(found), "", _others(found.foreign)]
    return Section(lines, goals, {"comparison": found.to_document(), "summary": _summary(found)})


def _summary(comparison: Comparison) -> dict[str, object]:
    names = list(comparison.meanings)
    pairs = [("farm", other) for other in names if other != "farm"]
    return {
        "partition": comparison.partition,
        "foreign": asdict(comparison.foreign),
        "cpu_ms": {name: asdict(comparison.cpu_ms(name)) for name in names},
        "ips": {name: asdict(comparison.spread(name)) for name in names},
        "ratio": {f"{above}/{below}": asdict(comparison.ratio(above, below)) for above, below in pairs},
    }


def _comparison_table(comparison: Comparison) -> list[str]:
    rows = []
    others = [other for other in ("ideal", "stock") if other in comparison.meanings]
    for name, meaning in comparison.meanings.items():
        ratios = ["1" if name == other else comparison.ratio(name, other).show(2) for other in others]
        digits = 1 if comparison.spread(name).median >= 20 else 2
        ips, cpu_ms = comparison.spread(name).show(digits), comparison.cpu_ms(name).show(1)
        rows.append([f"{name}: {meaning}", ips, *ratios, cpu_ms])
    return table(["contestant", "IPS", *(f"x of {other}" for other in others), "CPU per frame, ms"], rows)


def _others(foreign: Spread) -> str:
    line = f"Other processes took {foreign.low:.0%} to {foreign.high:.0%} of the cores during a slot."
    if foreign.median > _QUIET:
        line += (
            " That is too much for the rates: the more processes a contestant has, the larger the share that the"
            " system gives it. Measure again on a quiet machine."
        )
    return line
