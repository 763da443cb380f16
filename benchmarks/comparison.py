"""Contestants measured in turn, round after round, so that a drift of the machine meets all of them alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contestant import Contestant, Slot
from benchmarks.samples import Spread, ratios, spread


@dataclass(frozen=True)
class Round:
    """One slot of every contestant.

    Attributes:
        order: names in the order in which they were measured.
        load_1min: the machine's load average when the round began.
        slots: name -> its slot.
    """

    order: tuple[str, ...]
    load_1min: float
    slots: dict[str, Slot]


@dataclass(frozen=True)
class Comparison:
    """Everything measured about one model.

    Attributes:
        title: what was compared.
        partition: name of the cut.
        meanings: contestant -> what it is, in one line.
        rounds: the raw figures.
    """

    title: str
    partition: str
    meanings: dict[str, str]
    rounds: tuple[Round, ...]

    def ips(self, name: str) -> list[float]:
        """Frames per second of a contestant, one figure for each round."""
        return [found.slots[name].ips for found in self.rounds]

    def spread(self, name: str) -> Spread:
        """Frames per second of a contestant over all rounds."""
        return spread(self.ips(name))

    def ratio(self, above: str, below: str) -> Spread:
        """How many times as fast one contestant is as another, round by round."""
        return ratios(self.ips(above), self.ips(below))

    def to_document(self) -> dict[str, Any]:
        """The raw figures as plain data for JSON."""
        return asdict(self)


def compare(
    title: str,
    partition: str,
    contestants: Sequence[Contestant],
    rounds: int,
    say: Callable[[str], None],
) -> Comparison:
    """Measure started contestants in turn; each round begins with another one."""
    measured = []
    for number in range(rounds):
        first = number % len(contestants)
        order = [*contestants[first:], *contestants[:first]]
        load = os.getloadavg()[0]
        slots = {}
        for contestant in order:
            slot = slots[contestant.name] = contestant.slot()
            say(
                f"  round {number + 1} of {rounds}: {contestant.name:<6} {slot.ips:8.2f} IPS "
                f"({slot.frames} frames in {slot.elapsed_s:.1f} s)"
            )
        measured.append(Round(tuple(contestant.name for contestant in order), load, slots))
    meanings = {contestant.name: contestant.meaning for contestant in contestants}
    return Comparison(title, partition, meanings, tuple(measured))
