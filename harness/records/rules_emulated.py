"""Rules over imitated farms: all nodes imitate one thing, the machine keeps up, and a defect is called one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from harness.records.finding import Finding, judged

MOST_LATE: Final = 0.02
"""Share of a node's frames that may take this machine longer than the device; beyond it the pace is the machine's."""
NO_MEASUREMENT: Final = (
    "published-2018: the protocol of the 2018 artifact was imitated, its figure counts frames twice and is no IPS"
)
PUBLISHED: Final = "published-2018"
REQUESTS: Final = "requests-2018"
"""Protocols other than the honest one; `harness.emulate.published` goes by them."""
TOO_SLOW: Final = "this machine is too slow to imitate"
"""Begin of a reason that speaks of this machine, not of the farm."""
_REPLIES_PER_FRAME: Final = 2
_SAME: Final = 1e-9


def late_problems(nodes: Sequence[dict[str, Any]]) -> list[str]:
    """Nodes of which too many frames took this machine longer than the device that it imitates."""
    problems = []
    for node in nodes:
        told, counted = node["description"], node["statistics"]
        late, computed = counted.get("late", 0), counted["computed"]
        if late > MOST_LATE * computed:
            problems.append(
                f"{TOO_SLOW} {_name(told)}: {told['role']} at {told['host']}:{told['port']} "
                f"was late with {late} of {computed} frames"
            )
    return problems


def emulated_findings(document: dict[str, Any]) -> list[Finding]:
    """What is asked of a run that imitates, or whose nodes do; nothing of others."""
    nodes, wanted, protocol = document["nodes"], document["emulated"], document.get("protocol")
    told = [str(node["description"].get("emulates", "")) for node in nodes]
    if wanted is None and protocol is None and not any(told):
        return []
    imitated, _, requests = ("", "", "") if wanted is None else wanted.partition("/")
    problems = [] if nodes else ["no node imitated anything"]
    problems += [f"a node imitated {_of(what) or 'nothing'}" for what in told if _of(what) != imitated]
    if len(set(told)) > 1:
        problems.append("nodes do not share figures and medium")
    asked = document["options"].get("protocol", "")
    if requests != (asked if asked == REQUESTS else ""):
        problems.append(f"frames were sent by {asked or 'the honest protocol'}, and it says {requests or 'honest'}")
    title = "every node imitated what the record says, one medium for all, and the machine kept up"
    honest = "frames are joined and counted honestly"
    counted = [] if protocol is None and asked != PUBLISHED else [NO_MEASUREMENT]
    return [
        judged("emulated", title, [*dict.fromkeys(problems), *late_problems(nodes)]),
        judged("protocol", honest, counted if protocol is None else _protocol_problems(protocol)),
    ]


def _name(told: dict[str, Any]) -> str:
    return _of(str(told.get("emulates", "")))


def _of(emulates: str) -> str:
    return emulates.partition("#")[0]


def _protocol_problems(protocol: dict[str, Any]) -> list[str]:
    """Always one: that it is no measurement; and what its own figures contradict."""
    problems = [NO_MEASUREMENT]
    at_s, burst = [reply["at_s"] for reply in protocol["replies"]], protocol["burst"]
    wanted = _REPLIES_PER_FRAME * burst
    if len(at_s) != wanted or any(later < sooner for sooner, later in pairwise(at_s)):
        return [*problems, f"{len(at_s)} replies, or out of order, where the clock stops at {wanted}"]
    window_s = at_s[-1] - at_s[0]
    right = sum(reply["right"] for reply in protocol["replies"]) / wanted
    again = {
        "window_s": window_s,
        "makespan_s": at_s[-1],
        "as_published_ips": (wanted - 1) / window_s if window_s else math.inf,
        "right_share": right,
    }
    problems += [
        f"{name} is {protocol[name]!r}, the replies give {value!r}"
        for name, value in again.items()
        if not math.isclose(protocol[name], value, rel_tol=_SAME)
    ]
    return problems
