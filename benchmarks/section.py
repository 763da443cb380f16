"""A part of the suite: how it is measured, and what it leaves on the page and in the document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.goal import Goal


@dataclass(frozen=True)
class Setting:
    """Under which conditions a part is measured.

    Attributes:
        rounds: interleaved repeats of each contestant.
        cores: processor cores that everything shares.
        folder: takes what the part's processes write.
        quick: only see that everything works; the figures mean nothing.
        say: takes lines of progress.
    """

    rounds: int
    cores: tuple[int, ...]
    folder: Path
    quick: bool
    say: Callable[[str], None]


class Measured(Protocol):
    """Figures that lay themselves out."""

    def to_lines(self) -> Sequence[str]:
        """Their part of the page, the first line a heading."""

    def goals(self) -> Sequence[Goal]:
        """What they say of the project's goals."""

    def to_document(self) -> dict[str, Any]:
        """The raw figures as plain data for JSON."""


@dataclass(frozen=True)
class Section:
    """What came of a part.

    Attributes:
        lines: of Markdown, the first a heading: how it was made, the figures, what they do not show.
        goals: of the project that these figures speak of.
        document: the raw figures as plain data for JSON.
    """

    lines: Sequence[str]
    goals: Sequence[Goal]
    document: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Measured) -> Section:
        """The section of figures that lay themselves out."""
        return cls(found.to_lines(), found.goals(), found.to_document())


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        name: for `--only`, and in the document.
        meaning: what is measured, in one line.
        measure: does it; raises BenchmarkError when it cannot.
        usual: whether it is measured when none is named.
    """

    name: str
    meaning: str
    measure: Callable[[Setting], Section]
    usual: bool = True
