"""What a comparison compares: something that can be started once and then measured slot by slot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


class BenchmarkError(RuntimeError):
    """A contestant could not be started or measured; the message says why."""


@dataclass(frozen=True)
class Slot:
    """One measurement of one contestant.

    Attributes:
        ips: distinct frames per second of the slot; of a farm, frames that equal the reference.
        frames: how many frames that were.
        elapsed_s: length of the window.
        cpu_s: processor time of all its processes in the window; unlike the rate it hardly depends on how much
            of the cores others take.
        details: whatever else is worth keeping with the raw figures.
    """

    ips: float
    frames: int
    elapsed_s: float
    cpu_s: float
    details: dict[str, Any] = field(default_factory=dict)


class Contestant(Protocol):
    """One way to compute a model. Between its slots it waits and uses no processor."""

    name: str
    """Short name in tables and files."""

    meaning: str
    """What it is, in one line."""

    def start(self) -> None:
        """Start its processes and load its weights."""

    def warm_up(self) -> None:
        """Compute some frames that nobody counts."""

    def slot(self) -> Slot:
        """Measure once."""

    def stop(self) -> None:
        """End its processes; harmless when it never started."""
