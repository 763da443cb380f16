"""Farms of stand-in nodes whose devices are killed and frozen, until so many frames have passed.

`python -m benchmarks.audit under-fire --first SEED --frames 1` runs the minute with that seed again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.audit.printed import none_of, print_goals
from benchmarks.goal import Goal
from benchmarks.stand_ins.farm import stand_in_farm
from harness.bench.chaos import ChaosOutcome
from harness.bench.faults import schedule

FRAMES = 10_000
LEAST_PER_MINUTE = 25
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
        """Seeds of runs in which a frame was lost, wrong or counted twice, or whose record is not VALID."""
        return tuple(seed for seed, outcome in zip(self.seeds, self.outcomes, strict=True) if not outcome.held)

    def goals(self, frames: int) -> list[Goal]:
        """What must be true of them."""
        return [
            Goal("frames sent, each checked", self.total("sent"), frames, at_least=True, digits=0),
            Goal("faults a minute", 60 * self.faults / self.seconds, LEAST_PER_MINUTE, at_least=True, digits=1),
            none_of("frames lost", self.total("lost")),
            none_of("frames wrongly joined", self.total("wrong")),
            none_of("frames counted twice", self.total("repeated")),
            none_of(f"records that are not VALID, of {len(self.outcomes)}", len(self.broken)),
        ]

    def remarks(self) -> list[str]:
        """What else was seen, and the seeds to try again."""
        longest = max(outcome.longest_gap_s for outcome in self.outcomes)
        kinds = [str(one.kind) for outcome in self.outcomes for one in outcome.struck]
        adapted = [outcome.record.adapted or {} for outcome in self.outcomes]
        seen = (
            f"{kinds.count('kill')} killed, {kinds.count('freeze')} frozen in {self.seconds:.0f} s; "
            f"{self.total('sent') / self.seconds:.0f} frames/s; longest gap {longest:.2f} s; "
            f"{sum(one.get('sent_again', 0) for one in adapted)} frames sent again, "
            f"{sum(one.get('late', 0) for one in adapted)} late results dropped, "
            f"{sum(len(one.get('changes', [])) for one in adapted)} tables of addresses"
        )
        said = [seen]
        for seed in self.broken:
            reasons = "; ".join(self.outcomes[self.seeds.index(seed)].record.verdict.reasons)
            said.append(f"* seed {seed}: {reasons} (again: under-fire --first {seed} --frames 1)")
        return said


def run_until(
    folder: Path,
    frames: int,
    *,
    first_seed: int = 1,
    minutes: float = 1.0,
    say: Callable[[str], None] = lambda _: None,
) -> UnderFire:
    """Run for a minute again and again, each with the next seed, until so many frames were sent."""
    outcomes: list[ChaosOutcome] = []
    with stand_in_farm(folder, extra=dict.fromkeys(("block1", "spare"), ("--service-s", SERVICE_S))) as farm:
        while sum(outcome.sent for outcome in outcomes) < frames:
            seconds = 60 * minutes
            kills = round(_KILLS_OF_28 * minutes)
            seed = first_seed + len(outcomes)
            faults = schedule(
                seed,
                seconds=seconds,
                kills=kills,
                freezes=round(FAULTS_PER_MINUTE * minutes) - kills,
                devices=len(farm.plan.placements),
            )
            # Each minute begins with the whole farm, or a seed would not be the same run again.
            farm.mend()
            outcomes.append(farm.run(seconds, faults))
            last = outcomes[-1]
            say(f"seed {seed}: {last.sent} frames, {len(last.struck)} faults, {'held' if last.held else 'BROKEN'}")
    return UnderFire(tuple(outcomes), tuple(range(first_seed, first_seed + len(outcomes))))


def main() -> int:
    """Print one table; 0 where no frame was lost, wrong or counted twice."""
    parser = argparse.ArgumentParser(prog="under-fire", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--first", type=int, default=1, help="seed of the first minute")
    parser.add_argument("--minutes", type=float, default=1.0, help="length of each run")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run_until(
            Path(folder),
            chosen.frames,
            first_seed=chosen.first,
            minutes=chosen.minutes,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    return print_goals(found.goals(chosen.frames), found.remarks())
