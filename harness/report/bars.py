"""What the bars of one model show, in the panels of the paper's Figures 5 and 6 (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.metrics import written
from harness.report.systems import State, System

MOST_BARS = 12
"""With more runs of a model, those without energy stand in the table only."""
_LONGEST = 18
"""Characters of a target's name below a bar."""


@dataclass(frozen=True)
class SystemBars:
    """The bars of one system; what is None is not drawn, and `word` stands in its place.

    Attributes:
        label: lines below the bars.
        ips: inferences per second.
        dynamic_j: joules per inference.
        static_j: joules per inference.
        total_j: joules per inference.
        u_dynamic_j: their uncertainties at `k`; None where unknown.
        u_static_j: likewise.
        u_total_j: likewise.
        ips_word: why there is no bar of the speed; "" where there is one.
        word: why there are no bars of energy; "" where there are.
        virtual: the energies are made up.
    """

    label: tuple[str, ...]
    ips: float | None = None
    dynamic_j: float | None = None
    static_j: float | None = None
    total_j: float | None = None
    u_dynamic_j: float | None = None
    u_static_j: float | None = None
    u_total_j: float | None = None
    ips_word: str = ""
    word: str = ""
    virtual: bool = False


@dataclass(frozen=True)
class ModelBars:
    """All systems of one model, in the order of the paper's figures.

    Attributes:
        model: its name.
        systems: the bars.
        k: coverage factors of the error bars, in words; "" without any.
        left_out: runs without energy that are not drawn, for there are too many.
    """

    model: str
    systems: tuple[SystemBars, ...]
    k: str
    left_out: int = 0

    @property
    def virtual(self) -> bool:
        """Some of the energies are made up."""
        return any(system.virtual for system in self.systems)

    @property
    def summary(self) -> str:
        """The figure in words, for those who cannot see it."""
        parts = [f"{self.model}, {len(self.systems)} systems."]
        for system in self.systems:
            speed = f"{written(system.ips)} inferences per second" if system.ips is not None else system.ips_word
            energy = system.word
            if system.total_j is not None:
                kind = "virtual " if system.virtual else ""
                energy = f"{kind}{written(system.total_j, system.u_total_j)} joules per inference"
            parts.append(f"{' '.join(system.label)}: {speed}, {energy}.")
        return " ".join(parts)


def bars_of(systems: Sequence[System]) -> list[ModelBars]:
    """Bars per model, models and systems in the order given."""
    models = dict.fromkeys(system.model for system in systems)
    return [_model(name, [system for system in systems if system.model == name]) for name in models]


def factors(systems: Sequence[System]) -> str:
    """Coverage factors of the uncertainties in words: "k = 2"; "" where there is no uncertainty."""
    known = sorted({system.k for system in systems if system.k is not None})
    return "k = " + " or ".join(f"{k:g}" for k in known) if known else ""


def _model(name: str, systems: Sequence[System]) -> ModelBars:
    drawn = systems
    if len(systems) > MOST_BARS:
        # At least the speeds stay where nothing has energy.
        drawn = [system for system in systems if system.state is not State.NONE] or systems
    bars = tuple(_bars(system) for system in drawn)
    return ModelBars(name, bars, factors(drawn), left_out=len(systems) - len(drawn))


def _bars(system: System) -> SystemBars:
    speed = system.ips is not None and not system.speed_reasons
    short = system.target if len(system.target) <= _LONGEST else system.target[: _LONGEST - 1] + "…"
    number = f" #{system.number}" if system.number else ""
    lines = [short + number, system.size]
    if system.emulated:
        lines.append(f"emulated {system.emulated}")
    bars = SystemBars(
        label=tuple(lines),
        ips=system.ips if speed else None,
        ips_word="" if speed else ("INVALID" if system.speed_reasons else "unknown"),
        word="" if system.state is State.VALID else system.state.value,
    )
    if system.state is not State.VALID or system.energy is None:
        return bars
    energy = system.energy
    return SystemBars(
        label=bars.label,
        ips=bars.ips,
        ips_word=bars.ips_word,
        dynamic_j=energy["dynamic_j_per_frame"],
        static_j=energy["static_j_per_frame"],
        total_j=energy["total_j_per_frame"],
        u_dynamic_j=energy["u_dynamic_j_per_frame"],
        u_static_j=energy["u_static_j_per_frame"],
        u_total_j=energy["u_total_j_per_frame"],
        virtual=system.virtual,
    )
