"""Nodes of one machine from one process, beside nodes that each start for themselves: `python -m benchmarks.start`.

Both are `iot-farm farm up` as a user types it; they take turns, and each round begins with the other one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psutil

from benchmarks.command_start import BARE, HELP, command_start
from benchmarks.contestant import BenchmarkError
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.samples import Spread, ratios, spread
from harness.partition.paper import partition
from harness.partition.partition import INITIAL

FORKED, APART = "one process that forks", "each for itself"
WAYS: dict[str, tuple[str, ...]] = {FORKED: (), APART: ("--apart",)}
PARTITIONS = ("alexnet-5", "vgg16-11")
READY_S, MEMORY_GB = 4.0, 2.6
COMMAND_S = 0.1
"""What is aimed at: eleven devices of VGG16, ten of them nodes, and `iot-farm --help`."""

_FRAMES = 40
"""Half of warm-up, half measured: the memory of nodes grew until then, and stood still for sixty more."""
_APART_ROUNDS = 2
"""Rounds in which nodes start each for themselves, too: five times as long as all together, and no goal."""


@dataclass(frozen=True)
class Started:
    """One start of a farm.

    Attributes:
        ready_s: from the command's begin to its end, when every node has answered.
        cpu_s: processor time of the command, of whatever started nodes, and of the nodes until then.
        pss_bytes: memory of all nodes together, where what several share is counted once.
        rss_bytes: memory of all nodes, where it is counted for each.
        worked_pss_bytes: the first after a run of 40 frames; None where none was made.
    """

    ready_s: float
    cpu_s: float
    pss_bytes: int
    rss_bytes: int
    worked_pss_bytes: int | None = None


@dataclass(frozen=True)
class Starts:
    """All starts of one partition.

    Attributes:
        partition: name of the cut.
        nodes: number of node processes.
        samples: way -> its starts, round by round; of nodes that start each for themselves, in the first rounds alone.
    """

    partition: str
    nodes: int
    samples: dict[str, list[Started]]

    def spread(self, way: str, figure: Callable[[Started], float]) -> Spread:
        """One figure of a way, over all rounds."""
        return spread([figure(sample) for sample in self.samples[way]])

    def ratio(self, figure: Callable[[Started], float]) -> Spread:
        """How many times as much nodes need that each start for themselves, round by round."""
        apart, forked = ([figure(sample) for sample in self.samples[way]] for way in (APART, FORKED))
        return ratios(apart, forked[: len(apart)])

    def goals(self) -> list[Goal]:
        """The goals that these figures speak of."""
        if self.partition != "vgg16-11":
            return []
        ready = self.spread(FORKED, lambda one: one.ready_s)
        memory = self.spread(FORKED, lambda one: max(one.pss_bytes, one.worked_pss_bytes or 0) / 1e9)
        return [
            Goal.of("vgg16-11: start to ready", ready, READY_S, at_least=False, unit=" s"),
            Goal.of("vgg16-11: memory of all nodes after frames", memory, MEMORY_GB, at_least=False, unit=" GB"),
        ]

    def to_lines(self) -> list[str]:
        """A table in Markdown."""
        headings = ["nodes", "ready, s", "CPU, s", "PSS, GB", f"after {_FRAMES} frames, GB", "RSS, GB"]
        rows = []
        for way, samples in self.samples.items():
            worked = [one.worked_pss_bytes / 1e9 for one in samples if one.worked_pss_bytes is not None]
            rows.append(
                [
                    way,
                    self.spread(way, lambda one: one.ready_s).show(2),
                    self.spread(way, lambda one: one.cpu_s).show(2),
                    self.spread(way, lambda one: one.pss_bytes / 1e9).show(2),
                    spread(worked).show(2) if worked else "not measured",
                    self.spread(way, lambda one: one.rss_bytes / 1e9).show(2),
                ]
            )
        figures: tuple[Callable[[Started], float], ...] = (
            lambda one: one.ready_s,
            lambda one: one.cpu_s,
            lambda one: one.pss_bytes,
        )
        rows.append(["ratio", *(self.ratio(figure).show(2) for figure in figures), "", ""])
        return table(headings, rows)

    def to_document(self) -> dict[str, Any]:
        """The raw figures as plain data for JSON."""
        return asdict(self)


def measure_starts(name: str, repeats: int, folder: Path, say: Callable[[str], None]) -> Starts:
    """Start and stop the farm of a partition, both ways in turn.

    Args:
        name: the paper's name of the cut.
        repeats: rounds that count; memory after work is measured in each, of nodes of one process.
        folder: takes farm file, process lists and records.
        say: is told of every start.

    Raises:
        BenchmarkError: a command failed.
    """
    cut = partition(name)
    network = 192 + os.getpid() % 32
    addresses = (f"127.{network}.0.{number}" for number in range(1, 255))
    roles = {INITIAL: [next(addresses)]} | {
        role.name: [next(addresses) for _ in range(role.nodes)] for role in cut.roles
    }
    file = folder / f"{name}.json"
    file.write_text(json.dumps({"node": roles}), encoding="utf-8")
    samples: dict[str, list[Started]] = {way: [] for way in WAYS}
    for number in range(repeats):
        for way in list(WAYS) if number % 2 == 0 else list(WAYS)[::-1]:
            if way == APART and number >= _APART_ROUNDS:
                continue
            found = _start(file, name, WAYS[way], folder, works=way == FORKED)
            samples[way].append(found)
            say(f"  {name}, {way}: ready after {found.ready_s:.2f} s, {found.pss_bytes / 1e9:.2f} GB")
    return Starts(name, sum(role.nodes for role in cut.roles), samples)


def _start(file: Path, name: str, options: Sequence[str], folder: Path, *, works: bool) -> Started:
    state = folder / "state"
    environment = {**os.environ, "IOT_FARM_STATE": str(state), "IOT_FARM_RESULTS": str(folder / "records")}
    farm = [str(file), "--partition", name]
    try:
        ready_s, cpu_s = _command(["farm", "up", *farm, *options], environment, folder)
        (listing,) = state.glob("*/nodes.json")  # one farm is up at a time
        listed = json.loads(listing.read_text(encoding="utf-8"))
        nodes = [psutil.Process(entry["pid"]) for entry in listed]
        for node in nodes:
            times = node.cpu_times()
            cpu_s += times.user + times.system
        pss_bytes, rss_bytes = _memory(nodes)
        worked = None
        if works:
            frames = str(_FRAMES // 2)  # as many of warm-up, and as many measured
            run = ["run", "--target", str(file), "--partition", name, "--frames", frames, "--warmup", frames]
            _command(run, environment, folder)
            worked, _ = _memory(nodes)
        return Started(ready_s, cpu_s, pss_bytes, rss_bytes, worked)
    finally:
        _command(["farm", "down", str(file)], environment, folder)


def _command(arguments: Sequence[str], environment: dict[str, str], folder: Path) -> tuple[float, float]:
    """Wall time and processor time of a command and of all that it waited for."""
    log = folder / "command.log"
    begun_s = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments], env=environment, stdout=stream, stderr=stream
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.send_signal(signal.SIGINT)  # it takes back what it started
            process.wait()
            raise
    elapsed_s = time.perf_counter() - begun_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"`iot-farm {' '.join(arguments[:2])}` failed: {log.read_text(encoding='utf-8').strip()}")
    return elapsed_s, used.ru_utime + used.ru_stime


def _memory(nodes: Sequence[psutil.Process]) -> tuple[int, int]:
    """PSS and RSS of processes, in bytes."""
    pss_bytes = rss_bytes = 0
    for node in nodes:
        for line in Path(f"/proc/{node.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            kind, _, rest = line.partition(":")
            if kind == "Pss":
                pss_bytes += int(rest.split()[0]) * 1024
            elif kind == "Rss":
                rss_bytes += int(rest.split()[0]) * 1024
    return pss_bytes, rss_bytes


def command_goal(start_s: dict[str, list[float]]) -> Goal:
    """The goal of the command line's start; takes what `command_start` gives."""
    return Goal.of(f"`{HELP}`", spread(start_s[HELP]), COMMAND_S, at_least=False, unit=" s", digits=3)


def to_markdown(starts: Sequence[Starts], start_s: dict[str, list[float]]) -> list[str]:
    """All of it, as lines."""
    lines = []
    for found in starts:
        lines += [f"## {found.partition}: start of {found.nodes} nodes", "", *found.to_lines(), ""]
    rows = [[f"`{name}`", spread(start_s[name]).show(3), str(len(start_s[name]))] for name in (HELP, BARE)]
    lines += ["## Start of the command line", "", *table(["command", "wall time, s", "samples"], rows), ""]
    goals = [*(goal for found in starts for goal in found.goals()), command_goal(start_s)]
    return [*lines, *table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])]


@click.command()
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Rounds.")
@click.option("--commands", type=click.IntRange(1), default=15, show_default=True, help="Starts of the command line.")
@click.option("--partition", "names", multiple=True, default=PARTITIONS, show_default=True, help="Which farms.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder for start.md and start.json.")
def main(repeats: int, commands: int, names: tuple[str, ...], output: Path | None) -> None:
    """Measure starts and memory, and print them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whatever ends this ends the farm that is up
    try:
        with tempfile.TemporaryDirectory(prefix="iot-farm-start-") as folder:
            start_s = command_start(commands)
            starts = [
                measure_starts(name, repeats, Path(folder), lambda line: click.echo(line, err=True)) for name in names
            ]
    except BenchmarkError as error:
        raise click.ClickException(str(error)) from None
    page = "\n".join(["# Starts", "", f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}", "", *to_markdown(starts, start_s)]) + "\n"
    click.echo(page, nl=False)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "start.md").write_text(page, encoding="utf-8")
        document = {"starts": [found.to_document() for found in starts], "start_s": start_s}
        (output / "start.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
