"""Federations of growing size, with what may go wrong or be shared switched on and off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from harness.errors import FarmError
from harness.simulate.federation import Federation, Federations, Wanted
from harness.simulate.scene import Failures

BETWEEN_S: Final = 3_600.0
"""A device fails once an hour where failures are asked for and nobody says how often: assumed, and harsh."""


@dataclass(frozen=True)
class Case:
    """What is switched on.

    Attributes:
        shared: all devices of a farm share one medium; otherwise each has a link of that bandwidth to itself.
        failing: devices fail, and the farm adapts.
    """

    shared: bool
    failing: bool

    @property
    def title(self) -> str:
        """In words."""
        return f"{'shared medium' if self.shared else 'own links'}, {'failures' if self.failing else 'no failures'}"


ALL_CASES: Final = tuple(Case(shared, failing) for shared in (True, False) for failing in (False, True))


@dataclass(frozen=True)
class Curve:
    """One model in one case.

    Attributes:
        model: its name.
        case: what was switched on.
        federations: one for each number of devices that the model fits.
        missing: number of devices -> why there is none.
    """

    model: str
    case: Case
    federations: tuple[Federation, ...]
    missing: dict[int, str]

    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": self.model,
            "case": self.case.title,
            "shared_medium": self.case.shared,
            "failures": self.case.failing,
            "points": [federation.describe() for federation in self.federations],
            "missing": {str(count): why for count, why in self.missing.items()},
        }


def study(
    wanted: Sequence[Wanted], counts: Sequence[int], cases: Sequence[Case], say: Callable[[str], None] = lambda _: None
) -> list[Curve]:
    """Simulate every model in every case for every number of devices.

    Args:
        wanted: one for each model; their failures are those of the failing cases.
        counts: numbers of devices.
        cases: what is switched on.
        say: is told what is going on.

    Raises:
        BadInputError: a number that cannot be.
    """
    curves = []
    for one in wanted:
        for case in cases:
            network = replace(one.network, shared=case.shared)
            failures = _failures(one.failures) if case.failing else Failures()
            federations = Federations(
                replace(one, network=network, failures=failures),
                partial(_tell, say, f"{one.graph.name}, {case.title}: "),
            )
            found, missing = [], {}
            for count in counts:
                try:
                    found.append(federations.of(count))
                except FarmError as error:
                    missing[count] = error.message
            curves.append(Curve(one.graph.name, case, tuple(found), missing))
    return curves


def _tell(say: Callable[[str], None], head: str, text: str) -> None:
    say(head + text)


def _failures(given: Failures) -> Failures:
    return Failures(between_s=BETWEEN_S) if given.none else given
