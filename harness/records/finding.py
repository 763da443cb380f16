"""One rule of the checker, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """What a rule says of a record.

    Attributes:
        rule: its name, one word or two.
        title: what it asks for, one line.
        passed: True, False, or None where it does not apply or nobody can know.
        detail: why not, or what is not known; "" where it passed.
    """

    rule: str
    title: str
    passed: bool | None
    detail: str = ""


def judged(rule: str, title: str, problems: Sequence[str]) -> Finding:
    """Passed where there is no problem; the first problems are named, and how many more there are."""
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return Finding(rule, title, not problems, "; ".join(problems[:_SHOWN]) + more)


def unknown(rule: str, title: str, why: str) -> Finding:
    """Neither passed nor failed."""
    return Finding(rule, title, None, why)
