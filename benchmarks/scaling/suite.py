"""Chains of several lengths, measured in turn."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.child import Child
from benchmarks.contestant import BenchmarkError
from benchmarks.cpu_clock import cpu_s
from benchmarks.foreign_load import ForeignLoad
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.samples import Spread, ratios, spread
from benchmarks.scaling.chain import HOP_BYTES, chain_plan
from benchmarks.scaling.source import ChainSource
from harness.plan.plan import QUEUE_FRAMES, Plan
from harness.rpc.event_loop import loop_factory

LENGTHS = (5, 9, 11, 25, 50, 100)
_START_S = 120.0
_KEPT = 0.7


@dataclass(frozen=True)
class ChainSlot:
    """One slot of one chain.

    Attributes:
        frames: that went all the way.
        messages: that were delivered for them: one into each node, and one back.
        elapsed_s: length of the slot.
        nodes_cpu_s: processor time of all nodes.
        source_cpu_s: processor time of the process that sends and takes frames.
    """

    frames: int
    messages: int
    elapsed_s: float
    nodes_cpu_s: float
    source_cpu_s: float

    @property
    def rate(self) -> float:
        """Messages per second of wall time."""
        return self.messages / self.elapsed_s

    @property
    def per_cpu_s(self) -> float:
        """Messages for each second of the nodes' processor time (the one back is the source's)."""
        return (self.messages - self.frames) / self.nodes_cpu_s

    @property
    def cores(self) -> float:
        """How many cores were at work, all processes together."""
        return (self.nodes_cpu_s + self.source_cpu_s) / self.elapsed_s


class Chain:
    """A chain that is up; between its slots its processes are stopped, so that their timers disturb nobody.

    Args:
        nodes: its length.
        net: first three numbers of its addresses.
        folder: takes farm file and log.
        runner: of the event loop that the source runs on.
    """

    def __init__(self, nodes: int, net: str, folder: Path, runner: asyncio.Runner) -> None:
        self.nodes = nodes
        self.in_flight = min(2 * nodes, QUEUE_FRAMES)
        self._net = net
        self._folder = folder
        self._runner = runner
        self._child: Child | None = None
        self._source: ChainSource | None = None
        self._pids: list[int] = []

    def start(self) -> None:
        """Start the nodes and begin a run on them."""
        arguments = ["--nodes", str(self.nodes), "--net", self._net, "--folder", str(self._folder)]
        self._child = Child("benchmarks.scaling.nodes", arguments, self._folder / f"chain-{self.nodes}.log")
        self._pids = self._child.answer(_START_S)["pids"]
        plan = chain_plan(self.nodes, self._net, self._folder)
        self._source = self._runner.run(self._begun(plan))
        self._signal(signal.SIGSTOP)

    async def _begun(self, plan: Plan) -> ChainSource:
        source = ChainSource(plan, self.in_flight)
        await source.start()
        return source

    def slot(self, run_s: float) -> ChainSlot:
        """Measure once."""
        assert self._source is not None
        self._signal(signal.SIGCONT)
        own_s = 0.0

        def look() -> float:
            nonlocal own_s
            own_s = time.process_time() - own_s
            return sum(cpu_s(pid) for pid in self._pids)

        frames, elapsed_s, nodes_cpu_s = self._runner.run(self._source.measure(run_s, look))
        self._signal(signal.SIGSTOP)
        if not frames:
            raise BenchmarkError(f"no frame came through {self.nodes} nodes within {run_s:g} s")
        return ChainSlot(frames, frames * (self.nodes + 1), elapsed_s, nodes_cpu_s, own_s)

    def stop(self) -> None:
        """End the nodes."""
        self._signal(signal.SIGCONT)
        if self._source is not None:
            self._runner.run(self._source.close())
            self._source = None
        if self._child is not None:
            self._child.close()
            self._child = None
        self._pids = []

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids:
            with suppress(ProcessLookupError):  # a node that has ended shows in the next slot
                os.kill(pid, number)


@dataclass(frozen=True)
class Scaling:
    """Everything measured.

    Attributes:
        cores: processor cores that all share.
        in_flight: length -> frames under way.
        foreign: share of the cores' time that other processes took.
        rounds: in each the slots by length.
    """

    cores: tuple[int, ...]
    in_flight: dict[int, int]
    foreign: float
    rounds: tuple[dict[int, ChainSlot], ...]

    @property
    def lengths(self) -> list[int]:
        """Of the chains, shortest first."""
        return sorted(self.rounds[0])

    def rate(self, nodes: int) -> Spread:
        """Messages per second and core."""
        return spread([found[nodes].rate / len(self.cores) for found in self.rounds])

    def per_cpu_s(self, nodes: int) -> Spread:
        """Messages for each second of the nodes' processor time."""
        return spread([found[nodes].per_cpu_s for found in self.rounds])

    def kept(self, nodes: int, figure: str) -> Spread:
        """What is left of a figure of the shortest chain (`rate` or `per_cpu_s`), round by round."""
        shortest = self.lengths[0]
        return ratios(*([getattr(found[length], figure) for found in self.rounds] for length in (nodes, shortest)))

    def goals(self) -> list[Goal]:
        """The goal of the longest chain."""
        longest, shortest = self.lengths[-1], self.lengths[0]
        return [
            Goal.of(
                f"{longest} nodes at 25 kB: {what}, of the {shortest}-node figure",
                self.kept(longest, figure),
                _KEPT,
                at_least=True,
            )
            for what, figure in (
                ("messages per second and core", "rate"),
                ("messages per second of the nodes' processor time", "per_cpu_s"),
            )
        ]

    def to_lines(self) -> list[str]:
        """The section of the page."""
        rows = []
        for nodes in self.lengths:
            at_work = spread([found[nodes].cores for found in self.rounds])
            rows.append(
                [
                    str(nodes),
                    str(self.in_flight[nodes]),
                    self.rate(nodes).quartiles(0),
                    self.kept(nodes, "rate").quartiles(2),
                    self.per_cpu_s(nodes).quartiles(0),
                    self.kept(nodes, "per_cpu_s").quartiles(2),
                    at_work.quartiles(2),
                ]
            )
        headings = ["nodes", "frames in flight", "messages/s and core", "of the shortest"]
        headings += ["messages per CPU second of the nodes", "of the shortest", "cores at work"]
        return [
            "## Nodes, few and many",
            "",
            f"Chains of this project's node processes, {HOP_BYTES:,} bytes on every hop, on {len(self.cores)} cores.",
            "Blocks pass their input on, so only the wire and the node cost time; a frame counts when it came back as",
            "it was sent. Chains take turns, and are stopped by a signal in between; a slot begins and ends with the",
            "chain full. A short chain waits for itself and leaves cores idle, so the rate flatters the long ones, and",
            "the processor time does not. It is the kernel's clock of each process. Frames name no way over the nodes,",
            "since one of more than 64 stops fits into no tag. Brackets hold the quartiles. Not shown: what blocks, a",
            "network, or more cores than these would change.",
            "",
            *table(headings, rows),
            "",
            f"Other processes took {self.foreign:.0%} of the cores.",
        ]

    def to_document(self) -> dict[str, Any]:
        """The raw figures as plain data for JSON."""
        return asdict(self)


def measure_scaling(
    lengths: Sequence[int],
    rounds: int,
    run_s: float,
    cores: Sequence[int],
    folder: Path,
    say: Callable[[str], None],
) -> Scaling:
    """Start all chains, measure them in turn, and end them whatever happens.

    Raises:
        BenchmarkError: a chain could not be started, or a frame came back changed or not at all.
    """
    with ExitStack() as ends:
        runner = ends.enter_context(asyncio.Runner(loop_factory=loop_factory()))
        second = 64 + os.getpid() % 64
        chains = [Chain(nodes, f"127.{second}.{nodes}", folder, runner) for nodes in lengths]
        for chain in chains:
            ends.callback(chain.stop)
            chain.start()
            say(f"  {chain.nodes} nodes are up")
        for chain in chains:
            chain.slot(run_s)  # not counted
        load = ForeignLoad(cores, ("IOT_FARM_BENCH", "scaling"))
        load.begin()
        found = []
        for number in range(rounds):
            first = number % len(chains)
            slots = {chain.nodes: chain.slot(run_s) for chain in [*chains[first:], *chains[:first]]}
            found.append(slots)
            shown = ", ".join(f"{nodes}: {slots[nodes].rate:.0f}" for nodes in sorted(slots))
            say(f"  round {number + 1} of {rounds}, messages per second: {shown}")
        in_flight = {chain.nodes: chain.in_flight for chain in chains}
        return Scaling(tuple(cores), in_flight, load.share(), tuple(found))
