"""What the energy meter costs the run that it measures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.comparison import Comparison
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.metered_farm import MeteredFarm, MeterSlots
from benchmarks.samples import Spread, spread

FRAMES = 800
"""Frames of a slot: some ten seconds, in which the meter takes two hundred samples."""
IDLE_S = 1.5
OFF, BESIDE, ON = "off", "beside", "on"
_PERCENT = 100.0


def meter_contestants(farm: MeteredFarm) -> tuple[MeterSlots, ...]:
    """The three ways to run one farm."""
    return (
        MeterSlots(farm, OFF, "no energy meter", FRAMES),
        MeterSlots(farm, BESIDE, "no energy meter, a virtual analyzer that nobody reads", FRAMES, beside=True),
        MeterSlots(farm, ON, "the virtual analyzer read over pyvisa-py, two readings per update", FRAMES, IDLE_S),
    )


@dataclass(frozen=True)
class MeterOverhead:
    """The farm with the meter off, off beside an analyzer that nobody reads, and on, in turn.

    Attributes:
        comparison: of these three contestants.
    """

    comparison: Comparison

    @property
    def ratio(self) -> Spread:
        """Rate with the meter on over the rate with it off, round by round."""
        return self.comparison.ratio(ON, OFF)

    @property
    def ratio_beside(self) -> Spread:
        """The same over the rate beside an analyzer that nobody reads: what reading costs, without the analyzer."""
        return self.comparison.ratio(ON, BESIDE)

    @property
    def sampler_pct(self) -> Spread:
        """CPU time of the sampling thread in per cent of one core."""
        return self._share("sampler_cpu_s")

    @property
    def analyzer_pct(self) -> Spread:
        """CPU time of the virtual analyzer's process in per cent of one core."""
        return self._share("analyzer_cpu_s")

    def goals(self) -> list[Goal]:
        """The rate is kept, and the sampler is cheap."""
        return [
            Goal("IPS with the meter on / off", self.ratio.median, 0.99, at_least=True, digits=3),
            Goal("sampler, share of a core", self.sampler_pct.median, 2.0, at_least=False, unit=" %"),
        ]

    def to_document(self) -> dict[str, Any]:
        """Raw figures, and what follows from them."""
        return {
            **self.comparison.to_document(),
            "ratio": asdict(self.ratio),
            "ratio_beside": asdict(self.ratio_beside),
            "sampler_pct": asdict(self.sampler_pct),
            "analyzer_pct": asdict(self.analyzer_pct),
        }

    def to_lines(self) -> list[str]:
        """Its part of the page, without what others took of the cores."""
        found = self.comparison
        rows = [
            [
                f"{name}: {meaning}",
                found.spread(name).show(1),
                *("1" if name == other else found.ratio(name, other).show(3) for other in (OFF, BESIDE)),
                found.cpu_ms(name).show(1),
            ]
            for name, meaning in found.meanings.items()
        ]
        return [
            f"## {found.title}",
            "",
            *table(["contestant", "IPS", f"x of {OFF}", f"x of {BESIDE}", "CPU per frame, ms"], rows),
            "",
            f"The sampling thread took {self.sampler_pct.show(2)} % of a core. The virtual analyzer, a process of its",
            f"own on the same cores, took another {self.analyzer_pct.show(2)} %; a real set-up has no such process, so",
            f"`{BESIDE}` tells its part in the loss from that of the meter.",
        ]

    def _share(self, what: str) -> Spread:
        slots = [found.slots[ON].details for found in self.comparison.rounds]
        return spread([_PERCENT * details[what] / details["wall_s"] for details in slots])
