"""`python -m benchmarks.audit NAME`: attack records, print one table, and end with 1 where a goal is missed."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.goal import Goal
from benchmarks.markdown import table

MUTATIONS, KILLS, PROCESSES, EACH = 60, 500, 8, 200
Figures = tuple[list[Goal], list[str]]


def mutations(folder: Path) -> Figures:
    """Mutated good records, each rejected for its own reason."""
    from benchmarks.audit.mutations import good_ones, judge_all

    good, judged = good_ones(folder / "good"), judge_all(folder / "mutated")
    found = sum(one.found for one in judged)
    goals = [
        Goal("mutations tried", len(judged), MUTATIONS, at_least=True, digits=0),
        Goal("rejected for their own reason", found, len(judged), at_least=True, digits=0),
        Goal("good records that pass", sum(not said for said in good.values()), len(good), at_least=True, digits=0),
    ]
    lines = [f"rejected for that reason alone: {sum(one.alone for one in judged)}"]
    lines += [f"not found: {one.mutation.name} ({one.mutation.rule}): {one.why}" for one in judged if not one.found]
    return goals, lines + [f"a good record does not pass: {name}: {said}" for name, said in good.items() if said]


def cheaters(folder: Path) -> Figures:
    """Lying nodes in a real farm."""
    from benchmarks.audit.cheaters import LIES, run_farms

    told = run_farms(folder)
    caught = sum(not one.passes for one in told[1:])
    goals = [
        Goal("cheaters caught", caught, len(LIES), at_least=True, digits=0),
        Goal("honest farms that pass", told[0].passes, 1, at_least=True, digits=0),
    ]
    rows = [[LIES.get(one.name, one.name), one.status, one.forged, one.why[:90]] for one in told]
    return goals, table(["farm", "checked", "with a forged verdict", "first reason"], rows)


def kills(folder: Path) -> Figures:
    """SIGKILL while records are filed."""
    from benchmarks.audit.kills import file_plainly, kill_writers

    (folder / "ours").mkdir()
    (folder / "plain").mkdir()
    ours = kill_writers(folder / "ours", KILLS)
    plain = kill_writers(folder / "plain", KILLS // 10, file_plainly)
    goals = [
        Goal(f"unreadable or lost, of {ours.acknowledged} records and {KILLS} kills", ours.lost + ours.unreadable, 0,
             at_least=False, digits=0),
        Goal(f"the control, open and write: unreadable after {plain.kills} kills", plain.unreadable, 1,
             at_least=True, digits=0),
    ]  # fmt: skip
    return goals, [f"whole, though nobody had said so yet: {ours.unacknowledged}; torn lines in the index: {ours.torn}"]


def writers(folder: Path) -> Figures:
    """Processes that file records at the same time."""
    from benchmarks.audit.writers import write_together

    found = write_together(folder, PROCESSES, EACH)
    goals = [
        Goal(f"records in the folder, {PROCESSES} writers x {EACH}", found.records, found.asked, True, digits=0),
        Goal("records in the index", found.lines, found.asked, at_least=True, digits=0),
        Goal("breaks in its chain", found.problems, 0, at_least=False, digits=0),
    ]
    return goals, []


def hostile(_folder: Path) -> Figures:
    """Hostile archives, payloads and names."""
    from benchmarks.audit.hostile import GROUPS, attack

    goals, lines = [], []
    for group in GROUPS:
        tried = attack(group)
        goals.append(Goal(f"{group.name} tried", tried.attacks, group.least, at_least=True, digits=0))
        left = len(tried.skipped)
        goals.append(Goal(f"{group.name} with effect, or not run", tried.with_effect + left, 0, False, digits=0))
        lines += [f"not run: {reason}" for reason in tried.skipped]
    return goals, lines


OURS: Final[dict[str, Callable[[Path], Figures]]] = {
    "mutations": mutations,
    "cheaters": cheaters,
    "kills": kills,
    "writers": writers,
    "hostile": hostile,
}
WITH_OPTIONS: Final = {
    "index-scale": "index_scale",
    "html-payloads": "html_payloads",
    "service-load": "service_load",
    "simulated-farms": "simulated_farm",
    "bad-input": "bad_input",
    "fuzz": "fuzz",
    "half-open": "half_open",
    "tls": "tls",
    "under-fire": "under_fire",
    "gaps": "gaps",
    "straggler": "straggler",
    "join-schedules": "join_schedules",
    "many-nodes": "many_nodes",
}
"""Figures with a program of their own, which takes options."""


def main(arguments: Sequence[str]) -> int:
    """Print the table of one figure; 0 where every goal is met."""
    name = arguments[0] if arguments else ""
    if name in WITH_OPTIONS:
        sys.argv = [name, *arguments[1:]]
        return int(importlib.import_module(f"benchmarks.audit.{WITH_OPTIONS[name]}").main() or 0)
    if name not in OURS or len(arguments) > 1:
        print(f"usage: python -m benchmarks.audit {'|'.join((*OURS, *WITH_OPTIONS))}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        goals, lines = OURS[name](Path(folder))
    print("\n".join(table(["goal", "measured", "aim", "met"], [goal.row() for goal in goals])))
    print("\n".join(["", *lines]) if lines else "", end="\n" if lines else "")
    return 0 if all(goal.met for goal in goals) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
