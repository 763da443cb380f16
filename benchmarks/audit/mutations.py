"""Good records, each spoilt in one way: is it rejected, and for its own reason?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.audit.good_records import GOOD
from benchmarks.audit.mutation_list import MUTATIONS, Mutation
from harness.errors import BadInputError
from harness.records.check import check_file
from harness.records.folder_check import check_folder

OVER_ALL: Final = {"series": "the official series of", "index": "index", "repeated": "to the last bit"}
"""What only a whole folder shows, and the words that say so."""


@dataclass(frozen=True)
class Judged:
    """What became of a mutation.

    Attributes:
        mutation: what was done.
        rules: every rule that rejected it.
        why: what was said.
    """

    mutation: Mutation
    rules: tuple[str, ...]
    why: str

    @property
    def found(self) -> bool:
        """Rejected by the rule that it breaks."""
        return self.mutation.rule in self.rules

    @property
    def alone(self) -> bool:
        """Rejected by that rule alone."""
        return self.rules == (self.mutation.rule,)


def judge(mutation: Mutation, folder: Path) -> Judged:
    """Spoil one good record in an empty folder, and check it."""
    case = GOOD[mutation.good](folder)
    mutation.edit(case)
    case.write()
    if mutation.rule in OVER_ALL:
        problems = check_folder(folder).problems
        rules = tuple(rule for rule, words in OVER_ALL.items() if any(words in problem for problem in problems))
        return Judged(mutation, rules, "; ".join(problems))
    try:
        audit = check_file(case.path)
    except BadInputError as error:
        return Judged(mutation, ("unreadable",), error.message)
    failed = tuple(finding.rule for finding in audit.findings if finding.passed is False)
    return Judged(mutation, failed if audit.status != "VALID" else (), "; ".join(audit.reasons))


def good_ones(folder: Path) -> dict[str, str]:
    """What is said of each good record as it is; "" where nothing is, as it should be."""
    said = {}
    for name, make in GOOD.items():
        make(folder / name)
        found = check_folder(folder / name)
        reasons = [reason for audit in found.audits.values() for reason in audit.reasons]
        said[name] = "; ".join([*found.problems, *reasons])
    return said


def judge_all(folder: Path, mutations: Sequence[Mutation] = MUTATIONS) -> list[Judged]:
    """Judge each mutation in a folder of its own."""
    return [judge(mutation, folder / f"{number:03}") for number, mutation in enumerate(mutations)]
