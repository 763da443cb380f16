"""What the energy meter costs the run that it measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.foreign_load import ForeignLoad
from benchmarks.goal import Goal
from benchmarks.metered_farm import MeteredFarm
from benchmarks.samples import Spread, spread
from benchmarks.switched_meter import BLOCK, SEGMENT_S, Switch, block_ratios

FRAMES = 3200
"""Frames of a run: some 35 seconds, four whole blocks."""
IDLE_S = 1.5
_RESAMPLES = 10_000
_PERCENT = 100.0


@dataclass(frozen=True)
class MeterRun:
    """One run, in which the meter was switched.

    Attributes:
        ips: frames per second of the whole run.
        ratios: rate with the meter on over the rate with it off, block by block.
        sampler_pct: CPU time of the sampling thread while it sampled, per cent of one core.
        analyzer_pct: the same of the virtual analyzer's process.
        foreign: share of the cores' time that other processes took.
    """

    ips: float
    ratios: tuple[float, ...]
    sampler_pct: float
    analyzer_pct: float
    foreign: float


@dataclass(frozen=True)
class MeterOverhead:
    """Runs of one farm in which the meter is switched on, off, off, on every two seconds.

    Attributes:
        title: what was measured.
        runs: in their order.
    """

    title: str
    runs: tuple[MeterRun, ...]

    @property
    def ratio(self) -> Spread:
        """Rate with the meter on over the rate with it off, block by block."""
        return spread([ratio for run in self.runs for ratio in run.ratios])

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the median ratio, by the percentile bootstrap over blocks (seeded)."""
        ratios = np.array([ratio for run in self.runs for ratio in run.ratios])
        picks = np.random.default_rng(0).integers(0, len(ratios), size=(_RESAMPLES, len(ratios)))
        low, high = np.percentile(np.median(ratios[picks], axis=1), (2.5, 97.5))
        return float(low), float(high)

    @property
    def sampler_pct(self) -> Spread:
        """CPU time of the sampling thread in per cent of one core."""
        return spread([run.sampler_pct for run in self.runs])

    @property
    def analyzer_pct(self) -> Spread:
        """CPU time of the virtual analyzer's process in per cent of one core."""
        return spread([run.analyzer_pct for run in self.runs])

    def goals(self) -> list[Goal]:
        """The rate is kept, and the sampler is cheap."""
        return [
            Goal("IPS with the meter on / off", self.ratio.median, 0.99, at_least=True, digits=3),
            Goal("sampler, share of a core", self.sampler_pct.median, 2.0, at_least=False, unit=" %"),
        ]

    def to_document(self) -> dict[str, Any]:
        """Raw figures, and what follows from them."""
        return {
            "title": self.title,
            "segment_s": SEGMENT_S,
            "block": list(BLOCK),
            "runs": [asdict(run) for run in self.runs],
            "ratio": asdict(self.ratio),
            "ratio_interval": list(self.interval),
            "sampler_pct": asdict(self.sampler_pct),
            "analyzer_pct": asdict(self.analyzer_pct),
        }

    def to_lines(self) -> list[str]:
        """Its part of the page."""
        low, high = self.interval
        ips = spread([run.ips for run in self.runs])
        foreign = spread([run.foreign for run in self.runs])
        return [
            f"## {self.title}",
            "",
            f"The farm runs without a break while its meter is on, off, off and on again for {SEGMENT_S:g} s each.",
            "Off: the sampling thread sleeps and the virtual analyzer is stopped. One ratio for each such block:",
            f"on / off = {self.ratio.show(3)}, 95 % interval of the median {low:.3f} to {high:.3f},",
            f"{self.ratio.count} blocks in {len(self.runs)} runs at {ips.show(1)} IPS; other processes took",
            f"{foreign.low:.0%} to {foreign.high:.0%} of the cores.",
            "",
            f"The sampling thread took {self.sampler_pct.show(2)} % of a core. The virtual analyzer, a process of its",
            f"own on the same cores, took another {self.analyzer_pct.show(2)} %; a real set-up has no such process.",
        ]


def measure_overhead(
    title: str, farm: MeteredFarm, runs: int, foreign_load: ForeignLoad, say: Callable[[str], None]
) -> MeterOverhead:
    """Run the farm so many times.

    Args:
        title: what the page calls it.
        farm: started.
        runs: how many.
        foreign_load: watches what others take.
        say: is told of each run.

    Raises:
        BenchmarkError: a run failed, or its speed is not valid.
    """
    found = []
    for number in range(1, runs + 1):
        foreign_load.begin()
        answer = farm.run(FRAMES, IDLE_S, switched=True)
        switches = [Switch(**switch) for switch in answer["switches"]]
        on_s = answer["wall_s"] - answer["off_s"]
        run = MeterRun(
            ips=answer["metrics"]["ips"],
            ratios=tuple(block_ratios(switches, answer["verified_s"])),
            sampler_pct=_PERCENT * answer["sampler_cpu_s"] / on_s,
            analyzer_pct=_PERCENT * answer["analyzer_cpu_s"] / on_s,
            foreign=foreign_load.share(),
        )
        found.append(run)
        shown = " ".join(f"{ratio:.3f}" for ratio in run.ratios)
        say(
            f"  run {number} of {runs}: {run.ips:.2f} IPS, on / off {shown}, others took {run.foreign:.0%} of the cores"
        )
    return MeterOverhead(title, tuple(found))
