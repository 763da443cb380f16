"""`make bench`: measure, print a Markdown page, and write it beside the raw figures.

Everything runs on the same few cores: this process is tied to them, and its children with it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from benchmarks.avro_farm import AvroFarm
from benchmarks.command_start import command_start
from benchmarks.comparison import Comparison, compare
from benchmarks.contestant import BenchmarkError, Contestant
from benchmarks.dynamic_energy import DynamicEnergy, measure_dynamic
from benchmarks.foreign_load import ForeignLoad
from benchmarks.ideal import Ideal
from benchmarks.meter_overhead import FRAMES, MeterOverhead, measure_overhead
from benchmarks.metered_farm import MeteredFarm
from benchmarks.report import Results
from benchmarks.stock import StockFarm
from harness.farm.config import FarmConfig
from harness.partition.paper import partition
from harness.partition.partition import INITIAL, Partition
from harness.plan.plan import make_plan
from harness.records.environment import environment


@dataclass(frozen=True)
class Case:
    """How one partition is measured.

    Attributes:
        partition: name of the cut.
        frames: frames of a farm slot at full length.
        stock_frames: frames of a slot of the stock pattern.
        slot_s: length of an ideal slot in seconds.
    """

    partition: str
    frames: int
    stock_frames: int
    slot_s: float


CASES = (Case("alexnet-5", 800, 40, 8.0), Case("vgg16-11", 60, 28, 8.0))
SEED = 2018
IMAGES = 16
METERED = "alexnet-5"
"""The partition whose energy is measured."""
ENERGY = ("meter", "dynamic")
"""What is measured of the energy meter."""


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


def measure(case: Case, rounds: int, cores: Sequence[int], *, stock: bool, folder: Path) -> Comparison:
    """Start the contestants of one case, measure them in turn, and end them whatever happens."""
    cut = partition(case.partition)
    ideal = Ideal(model=cut.graph.name, seed=SEED, images=IMAGES, processes=len(cores), slot_s=case.slot_s, logs=folder)
    farm = AvroFarm(
        model=cut.graph.name,
        partition=cut.name,
        farm_file=write_farm(cut, 64 + os.getpid() % 64, folder),
        seed=SEED,
        frames=case.frames,
        folder=folder,
    )
    contestants: list[Contestant] = [ideal, farm]
    with ExitStack() as ends:
        for contestant in (ideal, farm):
            say(f"  starting {contestant.name}: {contestant.meaning}")
            ends.callback(contestant.stop)
            contestant.start()
        if stock:
            plan = make_plan(cut, FarmConfig.load(write_farm(cut, 128 + os.getpid() % 64, folder)))
            baseline = StockFarm(
                plan=plan,
                seed=SEED,
                references=ideal.references(),
                frames=case.stock_frames,
                in_flight=len(plan.placements) + 1,
                logs=folder,
            )
            say(f"  starting {baseline.name}: {baseline.meaning}")
            ends.callback(baseline.stop)
            baseline.start()
            contestants.append(baseline)
        title = f"{cut.graph.title} on {cut.devices} devices ({cut.name})"
        return compare(title, cut.name, contestants, rounds, ForeignLoad(cores, farm.marker), say)


def measure_energy(
    parts: Sequence[str], rounds: int, cores: Sequence[int], folder: Path
) -> tuple[MeterOverhead | None, DynamicEnergy | None]:
    """Start one farm, and measure what the energy meter costs it and what the meter says of it.

    Args:
        parts: some of `ENERGY`; the others are None.
        rounds: runs in which the meter is switched.
        cores: processor cores that everything shares.
        folder: takes farm file, records and logs.
    """
    cut = partition(METERED)
    farm_file = write_farm(cut, 64 + os.getpid() % 64, folder)
    nodes = AvroFarm(
        model=cut.graph.name, partition=cut.name, farm_file=farm_file, seed=SEED, frames=FRAMES, folder=folder
    )
    farm = MeteredFarm(farm=nodes, farm_file=farm_file, partition=cut.name, seed=SEED, logs=folder)
    where = f"{cut.graph.title} on {cut.devices} devices"
    overhead, dynamic = None, None
    with ExitStack() as ends:
        say(f"  starting the farm: {nodes.meaning}")
        ends.callback(farm.stop)
        farm.start()
        if "meter" in parts:
            load = ForeignLoad(cores, nodes.marker)
            title = f"Energy meter on and off, {where}"
            overhead = measure_overhead(title, farm, rounds, load, say)
        if "dynamic" in parts:
            dynamic = measure_dynamic(f"Dynamic energy against the load model, {where}", farm, say)
    return overhead, dynamic


def say(line: str) -> None:
    """Print a line of progress where it does not mix with the page."""
    print(line, file=sys.stderr, flush=True)


@click.command()
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Slots of each contestant, runs of the meter.",
)
@click.option("--only", type=click.Choice([*(case.partition for case in CASES), *ENERGY]), help="Measure this alone.")
@click.option("--stock-vgg16", is_flag=True, help="Measure the stock pattern with VGG16 too (slow).")
@click.option("--cores", type=click.IntRange(1), default=2, show_default=True, help="Cores that everything shares.")
@click.option("--starts", type=click.IntRange(0), default=15, show_default=True, help="Starts of the command line.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("results/bench"), show_default=True)
def main(*, rounds: int, only: str | None, stock_vgg16: bool, cores: int, starts: int, output: Path) -> None:
    """Compare the farms with the ideal and with the stock pattern on this machine."""
    tied = sorted(os.sched_getaffinity(0))[:cores]
    os.sched_setaffinity(0, tied)
    started = datetime.now(UTC)
    surroundings = environment()
    output.mkdir(parents=True, exist_ok=True)
    comparisons = []
    for case in CASES:
        if only in (None, case.partition):
            say(f"{case.partition}, {rounds} rounds")
            stock = stock_vgg16 or case.partition.startswith("alexnet")
            folder = output / case.partition
            folder.mkdir(parents=True, exist_ok=True)
            try:
                comparisons.append(measure(case, rounds, tied, stock=stock, folder=folder.resolve()))
            except BenchmarkError as error:
                raise click.ClickException(str(error)) from error
    overhead, dynamic = None, None
    parts = [part for part in ENERGY if only in (None, part)]
    if parts:
        say(f"energy of {METERED}: {' and '.join(parts)}")
        folder = output / "energy"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            overhead, dynamic = measure_energy(parts, rounds, tied, folder.resolve())
        except BenchmarkError as error:
            raise click.ClickException(str(error)) from error
    if starts:
        say(f"start of the command line, {starts} times")
    results = Results(
        started_utc=started.isoformat(timespec="seconds"),
        environment=surroundings,
        options={
            "rounds": rounds,
            "only": only,
            "stock_vgg16": stock_vgg16,
            "cores": cores,
            "starts": starts,
        },
        cores=tuple(tied),
        comparisons=tuple(comparisons),
        start_s=command_start(starts) if starts else {},
        meter=overhead,
        dynamic=dynamic,
    )
    (output / "bench.json").write_text(json.dumps(results.to_document(), indent=1) + "\n", encoding="utf-8")
    (output / "bench.md").write_text(results.to_markdown(), encoding="utf-8")
    print(results.to_markdown(), end="")
    say(f"written: {output / 'bench.md'} and {output / 'bench.json'}")


if __name__ == "__main__":
    main()
