"""How a figure is printed: its goals as one table, remarks below, and the exit code that follows from them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.goal import Goal
from benchmarks.markdown import table


def print_goals(goals: Sequence[Goal], remarks: Sequence[str] = ()) -> int:
    """Print them; 0 where every goal is met, else 1."""
    print("\n".join(table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])))
    if remarks:
        print("\n".join(["", *remarks]))
    return 0 if all(goal.met for goal in goals) else 1


def none_of(text: str, count: int) -> Goal:
    """The goal that something never happened."""
    return Goal(text, count, 0, at_least=False, digits=0)
