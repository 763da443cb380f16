"""What the project aims at, and whether a figure gets there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A figure that the project aims at; printed, never enforced.

    Attributes:
        text: what the figure is.
        value: what was measured, a median unless the text says otherwise.
        bound: the aim.
        at_least: the aim is a lower bound.
        unit: written behind value and bound.
        digits: digits of the value after the point.
    """

    text: str
    value: float
    bound: float
    at_least: bool
    unit: str = ""
    digits: int = 2

    @property
    def met(self) -> bool:
        """Is the figure on the right side of the bound?"""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def row(self) -> list[str]:
        """Goal, measured, aim, met: the cells of its line."""
        return [
            self.text,
            f"{self.value:.{self.digits}f}{self.unit}",
            f"{'at least' if self.at_least else 'at most'} {self.bound:g}{self.unit}",
            "yes" if self.met else "no",
        ]
