"""What the project aims at, and whether a figure gets there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.markdown import table
from benchmarks.samples import Spread

_MOST_DIGITS: Final = 6


@dataclass(frozen=True)
class Goal:
    """A figure that the project aims at; printed, never enforced.

    Attributes:
        text: what the figure is.
        value: what was measured, a median unless the text says otherwise; None when it was not.
        bound: the aim.
        at_least: the aim is a lower bound.
        unit: written behind value and bound.
        digits: digits of the value after the point.
        lower: first quartile of the samples behind the value; None where there is but one.
        upper: third quartile.
    """

    text: str
    value: float | None
    bound: float
    at_least: bool
    unit: str = ""
    digits: int = 2
    lower: float | None = None
    upper: float | None = None

    @classmethod
    def of(
        cls, text: str, found: Spread | None, bound: float, *, at_least: bool, unit: str = "", digits: int = 2
    ) -> Goal:
        """The goal of samples, or of none."""
        if found is None:
            return cls(text, None, bound, at_least, unit, digits)
        return cls(text, found.median, bound, at_least, unit, digits, found.lower, found.upper)

    @property
    def met(self) -> bool | None:
        """Is the figure on the right side of the bound? None when there is no figure."""
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def row(self) -> list[str]:
        """Goal, measured, aim, met: the cells of its line."""
        digits = self._telling_digits()
        measured = "not measured" if self.value is None else f"{self.value:.{digits}f}{self.unit}"
        if self.lower is not None and self.upper is not None:
            measured += f" [{self.lower:.{digits}f} to {self.upper:.{digits}f}]"
        return [
            self.text,
            measured,
            f"{'at least' if self.at_least else 'at most'} {self.bound:g}{self.unit}",
            {True: "yes", False: "no", None: "unknown"}[self.met],
        ]

    def _telling_digits(self) -> int:
        """As many as show on which side of the aim the value is."""
        digits = self.digits
        while self.value is not None and digits < _MOST_DIGITS:
            shown = replace(self, value=round(self.value, digits))
            if shown.met == self.met:
                break
            digits += 1
        return digits


def goal_lines(goals: Sequence[Goal], failed: Sequence[str] = (), *, judged: bool = True) -> list[str]:
    """The section of the page; brackets hold the quartiles.

    Args:
        goals: that figures speak of.
        failed: parts that gave no figure; every goal of theirs is unknown.
        judged: whether the figures are good enough to say that a goal is met or missed.
    """
    rows = [goal.row() if judged else [*goal.row()[:-1], "not judged"] for goal in goals]
    rows += [[f"{name}: every goal of this part", "not measured", "", "unknown"] for name in failed]
    return ["## Goals", "", *table(["goal", "measured", "aim", "met"], rows)]
