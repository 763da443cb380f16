"""What the energy meter costs the run that it measures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.comparison import Comparison
from benchmarks.goal import Goal
from benchmarks.markdown import table
from benchmarks.samples import Spread, spread

FRAMES = 800
"""Frames of a slot: some ten seconds, in which the meter takes two hundred samples."""
IDLE_S = 1.0
_PERCENT = 100.0


@dataclass(frozen=True)
class MeterOverhead:
    """The farm with the meter on and off, in turn.

    Attributes:
        comparison: of the contestants "on" and "off".
    """

    comparison: Comparison

    @property
    def ratio(self) -> Spread:
        """Rate with the meter on over the rate with it off, round by round."""
        return self.comparison.ratio("on", "off")

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
                self.ratio.show(3) if name == "on" else "1",
                found.cpu_ms(name).show(1),
            ]
            for name, meaning in found.meanings.items()
        ]
        return [
            f"## {found.title}",
            "",
            *table(["contestant", "IPS", "x of off", "CPU per frame, ms"], rows),
            "",
            f"The sampling thread took {self.sampler_pct.show(2)} % of a core. The virtual analyzer, a process of its",
            f"own on the same cores, took another {self.analyzer_pct.show(2)} %, and the ratio holds that too,",
            "though a real set-up has no such process.",
        ]

    def _share(self, what: str) -> Spread:
        slots = [found.slots["on"].details for found in self.comparison.rounds]
        return spread([_PERCENT * details[what] / details["wall_s"] for details in slots])
