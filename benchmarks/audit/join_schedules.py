"""Random schedules of arrival for the join: the property of `tests/unit/test_join.py`, many times over.

A schedule has slots, frames, and each of their messages one to three times in any order. Ours must hand out every
frame once, made of its own parts; joining by order of arrival, as the published scripts did, is the control.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.audit.printed import none_of, print_goals
from benchmarks.goal import Goal

RUNS = 10_000
_TESTS = Path(__file__).resolve().parents[2] / "tests"


@dataclass
class Tried:
    """Schedules tried so far.

    Attributes:
        schedules: how many.
        wrong: of those, how many our join got wrong.
        control_wrong: how many the control got wrong.
        messages: in all of them.
        shortest: the shortest schedule that our join got wrong; None without one.
    """

    schedules: int = 0
    wrong: int = 0
    control_wrong: int = 0
    messages: int = 0
    shortest: tuple[Any, ...] | None = None


def try_schedules(runs: int, first: int) -> Tried:
    """Draw schedules and feed them to both joins; the same seed draws the same ones."""
    if str(_TESTS) not in sys.path:
        sys.path.append(str(_TESTS))
    property_of = importlib.import_module("unit.test_join")
    tried = Tried()

    # Each is counted rather than asserted: one that fails must not end the others.
    @seed(first)
    @settings(
        max_examples=runs,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(property_of.arrivals())
    def feed(case: tuple[Any, ...]) -> None:
        slots, frames, messages = case
        tried.schedules += 1
        tried.messages += len(messages)
        if not property_of.is_right(property_of.joined(property_of.Ours(slots), messages), frames, slots):
            tried.wrong += 1
            if tried.shortest is None or len(messages) < len(tried.shortest[2]):
                tried.shortest = case
        control = property_of.joined(property_of.InOrderOfArrival(slots), messages)
        tried.control_wrong += not property_of.is_right(control, frames, slots)

    feed()
    return tried


def main() -> int:
    """Print one table; 0 where our join got every schedule right, and the control did not."""
    parser = argparse.ArgumentParser(prog="join-schedules", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--first", "--seed", type=int, help="seed of all schedules (default: by chance)")
    chosen = parser.parse_args()
    first = random.randrange(2**31) if chosen.first is None else chosen.first  # noqa: S311  no secret
    tried = try_schedules(chosen.runs, first)
    goals = [
        Goal("random schedules", tried.schedules, chosen.runs, at_least=True, digits=0),
        none_of("wrongly joined", tried.wrong),
        Goal("the control, by order of arrival: wrong", tried.control_wrong, 1, at_least=True, digits=0),
    ]
    remarks = [f"seed {first}; {tried.messages:,} messages"]
    if tried.shortest is not None:
        remarks.append(f"* wrong: slots {tried.shortest[0]}, messages {tried.shortest[2]} (again: --seed {first})")
    return print_goals(goals, remarks)
