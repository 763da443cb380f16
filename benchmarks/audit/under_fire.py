"""Farms of stand-in nodes whose devices are killed and frozen, until so many frames have passed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.stand_ins.farm import stand_in_farm
from harness.bench.chaos import ChaosOutcome
from harness.bench.faults import schedule

FAULTS_PER_MINUTE = 28
_KILLS_OF_28 = 16
SERVICE_S = "0.002"


@dataclass(frozen=True)
class UnderFire:
    """Several runs together.

    Attributes:
        outcomes: of each run.
        seeds: of each run's schedule.
    """

    outcomes: tuple[ChaosOutcome, ...]
    seeds: tuple[int, ...]

    def total(self, name: str) -> int:
        """A count over all runs."""
        return sum(int(getattr(outcome, name)) for outcome in self.outcomes)

    @property
    def faults(self) -> int:
        """Devices killed or frozen."""
        return sum(len(outcome.struck) for outcome in self.outcomes)

    @property
    def seconds(self) -> float:
        """Length of all windows."""
        return sum(outcome.record.metrics["window_s"] for outcome in self.outcomes)

    @property
    def broken(self) -> tuple[int, ...]:
        """Seeds of runs in which a frame was lost, wrong or counted twice."""
        return tuple(seed for seed, outcome in zip(self.seeds, self.outcomes, strict=True) if not outcome.held)


def run_until(folder: Path, frames: int, *, first_seed: int = 1, minutes: float = 1.0) -> UnderFire:
    """Run for a minute again and again, each with the next seed, until so many frames were sent."""
    outcomes: list[ChaosOutcome] = []
    with stand_in_farm(folder, extra=dict.fromkeys(("block1", "spare"), ("--service-s", SERVICE_S))) as farm:
        while sum(outcome.sent for outcome in outcomes) < frames:
            seconds = 60 * minutes
            kills = round(_KILLS_OF_28 * minutes)
            faults = schedule(
                first_seed + len(outcomes),
                seconds=seconds,
                kills=kills,
                freezes=round(FAULTS_PER_MINUTE * minutes) - kills,
                devices=len(farm.plan.placements),
            )
            outcomes.append(farm.run(seconds, faults))
    return UnderFire(tuple(outcomes), tuple(range(first_seed, first_seed + len(outcomes))))
