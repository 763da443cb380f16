"""Many stand-in nodes on this machine, each a process, through a steady run: does the memory of all of them grow?

The farm stays as it is (`adapt=False`): four beats a second to each of a hundred devices would take a good part of
two cores. Blocks take their time by sleeping, and frames in flight are the most that a run allows, so that every
node has its part of the work and none waits for a core.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.audit.printed import none_of, print_goals
from benchmarks.goal import Goal
from benchmarks.stand_ins.farm import stand_in_farm
from harness.bench.chaos import ChaosOutcome
from harness.plan.plan import QUEUE_FRAMES

PARTITION, NET = "alexnet-6", "127.0.47"
NODES, MINUTES = 100, 10.0
MOST_NODES = 200
SERVICE_S = "0.5"
MOST_DRIFT = 5.0
SETTLED_S = 60.0
"""Memory counts from here on: by then buffers and tables have the size that the run needs."""
_EVERY_S = 2.0
_START_S = 5.0
_ENDS = 0.1


@dataclass
class Memory:
    """Resident memory of processes, all together.

    Attributes:
        taken: (s since the first sample, bytes, processes).
    """

    taken: list[tuple[float, int, int]] = field(default_factory=list)

    def after(self, since_s: float) -> list[int]:
        """Samples from a time on (bytes)."""
        return [size for at_s, size, _ in self.taken if at_s >= since_s]


def drift_percent(sizes: Sequence[float]) -> float:
    """Growth from the first tenth of the samples to the last tenth, medians of both, in percent of the first.

    Raises:
        ValueError: fewer than two samples.
    """
    if len(sizes) < 2:
        raise ValueError(f"{len(sizes)} samples show no drift")
    end = max(1, round(_ENDS * len(sizes)))
    first, last = statistics.median(sizes[:end]), statistics.median(sizes[-end:])
    return 100 * (last - first) / first


def split(nodes: int) -> dict[str, int]:
    """So many nodes on the roles of AlexNet: two fifths each to block1 and to the halves, the rest to block3.

    Raises:
        ValueError: too few for each role, or more than there are addresses.
    """
    if not 5 <= nodes <= MOST_NODES:
        raise ValueError(f"{nodes} nodes: 5 to {MOST_NODES} are possible")
    # In flight are as many frames as a run may have: with more holders of a share some would have nothing to do.
    halves = 2 * min(nodes // 5, QUEUE_FRAMES)
    block1 = min((nodes - halves) * 2 // 3, QUEUE_FRAMES)
    return {"block1": block1, "block2": halves, "block3": nodes - halves - block1}


@contextmanager
def sampled(pids: Callable[[], Sequence[psutil.Process]]) -> Iterator[Memory]:
    """Look at the memory of processes again and again; one that has ended counts no more."""
    memory, over = Memory(), threading.Event()
    processes, begun_s = pids(), time.monotonic()

    def look() -> None:
        while not over.wait(_EVERY_S):
            sizes = []
            for process in processes:
                try:
                    sizes.append(process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
            memory.taken.append((time.monotonic() - begun_s, sum(sizes), len(sizes)))

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        over.set()
        thread.join()


def run_many(folder: Path, nodes: int, minutes: float) -> tuple[ChaosOutcome, Memory]:
    """Start them, and run them for so many minutes."""
    served = dict.fromkeys(("block1", "block2", "block3"), ("--service-s", SERVICE_S))
    farm = stand_in_farm(
        folder, PARTITION, spares=0, net=NET, extra=served, nodes=split(nodes), ready_s=30 + nodes * _START_S
    )
    with farm as running:
        print(f"{nodes} nodes are up", file=sys.stderr, flush=True)
        with sampled(psutil.Process().children) as memory:
            outcome = running.run(60 * minutes, adapt=False, in_flight=QUEUE_FRAMES)
    return outcome, memory


def main() -> int:
    """Print one table; 0 where memory stayed, every frame came back right, and every node had work."""
    parser = argparse.ArgumentParser(prog="many-nodes", description=__doc__)
    parser.add_argument("--nodes", type=int, default=NODES)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    chosen = parser.parse_args()
    settled_s = min(SETTLED_S, 60 * chosen.minutes / 4)
    with tempfile.TemporaryDirectory() as folder:
        outcome, memory = run_many(Path(folder), chosen.nodes, chosen.minutes)
    sizes = memory.after(settled_s)
    computed = [node["statistics"]["computed"] for node in outcome.record.nodes]
    text = f"drift of the memory of all nodes, {settled_s:.0f} s to {memory.taken[-1][0]:.0f} s"
    goals = [
        Goal("node processes, all the time", min(alive for _, _, alive in memory.taken), chosen.nodes, True, digits=0),
        Goal("nodes that computed frames", sum(count > 0 for count in computed), chosen.nodes, True, digits=0),
        Goal(text, drift_percent(sizes), MOST_DRIFT, at_least=False, unit=" %"),
        none_of("frames lost, wrong or counted twice", outcome.lost + outcome.wrong + outcome.repeated),
        none_of("records that are not VALID", not outcome.record.verdict.valid),
    ]
    used = f"{sum(node['statistics']['cpu_s'] for node in outcome.record.nodes):.0f} s of CPU"
    seen = (
        f"{outcome.sent:,} frames, {outcome.record.metrics['ips']:.1f} frames/s; {used}; memory "
        f"{min(sizes) / 2**20:,.0f} to {max(sizes) / 2**20:,.0f} MiB in {len(sizes)} samples"
    )
    return print_goals(goals, [seen, *outcome.record.verdict.reasons])
