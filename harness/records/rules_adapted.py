"""Rules over a farm that was allowed to change: what it tells, and what that explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

SHARE_OF_RETRIES: Final = 0.2
"""Repetitions for each new frame that the budget of a run grants (Finagle's default)."""
RETRIES_PER_S: Final = 10.0
"""Repetitions that it grants besides, and so many at once at the start (Finagle's default)."""
_SPARE: Final = "spare"
_ROUNDING_S: Final = 1.0


def changed(adapted: dict[str, Any] | None) -> bool:
    """Whether a farm did change: got another table, lost a device for a time, or had a frame sent again."""
    return adapted is not None and bool(adapted["changes"] or adapted["lost"] or adapted["sent_again"])


def lost_in(document: dict[str, Any]) -> frozenset[str]:
    """Addresses of devices that were gone at some time: nobody knows all that they did."""
    return frozenset((document.get("adapted") or {}).get("lost", ()))


def computed_too_often(nodes: Sequence[dict[str, Any]], most: int) -> list[str]:
    """Parts of roles that computed more often than frames were sent, repetitions included.

    A device that was lost has taken its counters along, so that only too much can be seen.
    """
    computed: Counter[tuple[str, int]] = Counter()
    for node in nodes:
        for share in node["statistics"]["shares"]:
            computed[share["role"], share["part"]] += share["computed"]
    return [
        f"{role} part {part + 1} computed {found} frames, {most} were sent, repetitions included"
        for (role, part), found in computed.items()
        if found > most
    ]


def steady_problems(document: dict[str, Any], window_s: float) -> list[str]:
    """What a record tells of changes and cannot be so."""
    adapted, allowed = document.get("adapted"), bool(document["options"].get("adapt"))
    if adapted is None:
        return ["it was allowed to change, and nobody says how it did"] if allowed else []
    problems = [] if allowed else ["it was not allowed to change"]
    granted = SHARE_OF_RETRIES * len(document["frames"]) + RETRIES_PER_S * (window_s + _ROUNDING_S)
    if adapted["sent_again"] > granted:
        problems.append(f"{adapted['sent_again']} frames sent again, the budget grants {granted:.0f}")
    if adapted["late"] > adapted["sent_again"]:
        problems.append(f"{adapted['late']} results came late, {adapted['sent_again']} frames were sent again")
    epochs = [change["epoch"] for change in adapted["changes"]]
    if epochs != sorted(set(epochs)):
        problems.append("the epochs of its tables do not follow each other")
    shares = {f"{node['role']}/{node['part']}" for node in document["plan"]["nodes"] if node["role"] != _SPARE}
    return problems + [
        f"table {change['epoch']} {what}"
        for change in adapted["changes"]
        for what in _table_problems(change, shares, window_s)
    ]


def _table_problems(change: dict[str, Any], shares: set[str], window_s: float) -> list[str]:
    problems = []
    if set(change["holders"]) != shares:
        problems.append("does not name a holder of every share")
    if change["at_s"] > window_s + _ROUNDING_S:
        problems.append(f"came into force {change['at_s']:.0f} s after the first send")
    if not change["why"].isprintable():
        problems.append("has a reason that cannot be printed")
    return problems
