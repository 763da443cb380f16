"""Contestants measured in turn, round after round, so that a drift of the machine meets all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.contestant import Contestant, Slot
from benchmarks.foreign_load import ForeignLoad
from benchmarks.samples import Spread, ratios, spread


@dataclass(frozen=True)
class Round:
    """One slot of every contestant.

    Attributes:
        order: names in the order in which they were measured.
        foreign: name -> share of the cores' time that other processes took during its slot, 0 to 1.
        slots: name -> its slot.
    """

    order: tuple[str, ...]
    foreign: dict[str, float]
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

    def cpu_ms(self, name: str) -> Spread:
        """Processor time for one frame in milliseconds, over all rounds."""
        slots = [found.slots[name] for found in self.rounds]
        return spread([slot.cpu_s / slot.frames * 1000 for slot in slots])

    def ratio(self, above: str, below: str) -> Spread:
        """How many times as fast one contestant is as another, round by round."""
        return ratios(self.ips(above), self.ips(below))

    @property
    def foreign(self) -> Spread:
        """Share of the cores' time that other processes took, over all slots."""
        return spread([share for found in self.rounds for share in found.foreign.values()])

    def to_document(self) -> dict[str, Any]:
        """The raw figures as plain data for JSON."""
        return asdict(self)


def compare(
    title: str,
    partition: str,
    contestants: Sequence[Contestant],
    rounds: int,
    foreign_load: ForeignLoad,
    say: Callable[[str], None],
) -> Comparison:
    """Measure started contestants in turn; each round begins with another one.

    Each computes some frames before that are not counted: memory is touched for the first time in them.
    """
    measured = []
    for contestant in contestants:
        say(f"  warm-up: {contestant.name}")
        contestant.warm_up()
    for number in range(rounds):
        first = number % len(contestants)
        order = [*contestants[first:], *contestants[:first]]
        slots, foreign = {}, {}
        for contestant in order:
            foreign_load.begin()
            slot = slots[contestant.name] = contestant.slot()
            share = foreign[contestant.name] = foreign_load.share()
            say(
                f"  round {number + 1} of {rounds}: {contestant.name:<6} {slot.ips:8.2f} IPS "
                f"({slot.frames} frames in {slot.elapsed_s:.1f} s, others took {share:.0%} of the cores)"
            )
        measured.append(Round(tuple(contestant.name for contestant in order), foreign, slots))
    meanings = {contestant.name: contestant.meaning for contestant in contestants}
    return Comparison(title, partition, meanings, tuple(measured))
