"""When a run was idle and when it worked: markers on the monotonic clock of the host that samples the meter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from power.errors import PowerError, TraceError

PhaseName = Literal["idle before", "run", "idle after"]
"""The three parts of a measurement. Idle: nodes booted, model loaded, no requests."""

PHASES: tuple[PhaseName, ...] = get_args(PhaseName)
"""The names in the order of time."""


@dataclass(frozen=True)
class Phase:
    """One part of a measurement.

    Attributes:
        name: which part.
        begin_s: seconds on the monotonic clock of the host.
        end_s: seconds on the same clock.
    """

    name: PhaseName
    begin_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Seconds from begin to end."""
        return self.end_s - self.begin_s

    @property
    def middle_s(self) -> float:
        """The instant half way, seconds on the monotonic clock."""
        return self.begin_s + self.duration_s / 2


class Markers:
    """Takes the time around each phase.

    A phase that ends by an exception leaves no marker: it was not measured to its end.

    Args:
        clock: gives seconds on the monotonic clock; tests put their own.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phases: list[Phase] = []
        self._open: PhaseName | None = None

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases that have ended, in the order of time."""
        return tuple(self._phases)

    @contextmanager
    def phase(self, name: PhaseName) -> Iterator[None]:
        """Mark what happens inside the `with` block.

        Args:
            name: which part of the measurement it is.

        Raises:
            PowerError: the name is unknown or taken, or another phase is still open.
        """
        if name not in PHASES:
            raise PowerError(f"no phase is called {name!r}", f"phases are {', '.join(PHASES)}")
        if self._open is not None:
            raise PowerError(f"phase {name!r} begins while {self._open!r} is open", "phases come one after another")
        if any(phase.name == name for phase in self._phases):
            raise PowerError(f"phase {name!r} was marked already", "one Markers object belongs to one measurement")
        self._open = name
        begin_s = self._clock()
        try:
            yield
            self._phases.append(Phase(name, begin_s, self._clock()))
        finally:
            self._open = None


def by_name(phases: Sequence[Phase]) -> dict[PhaseName, Phase]:
    """The phases under their names, in the order of time.

    Args:
        phases: in any order, each name once at most.

    Returns:
        Phase per name; a name that was not marked is missing.

    Raises:
        TraceError: an unknown name, a name twice, an instant that is no number, or two phases that overlap.
    """
    found: dict[PhaseName, Phase] = {}
    for phase in phases:
        if phase.name not in PHASES:
            raise TraceError(f"no phase is called {phase.name!r}", f"phases are {', '.join(PHASES)}")
        if phase.name in found:
            raise TraceError(f"phase {phase.name!r} stands twice")
        if not (math.isfinite(phase.begin_s) and math.isfinite(phase.end_s)):
            raise TraceError(f"phase {phase.name!r} has an instant that is no number")
        found[phase.name] = phase
    ordered = {name: found[name] for name in PHASES if name in found}
    marked = list(ordered.values())
    for earlier, later in pairwise(marked):
        if later.begin_s < earlier.end_s:
            raise TraceError(
                f"phase {later.name!r} begins before {earlier.name!r} ends",
                "idle before, run and idle after must not overlap",
            )
    return ordered
