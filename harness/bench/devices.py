"""The devices of a run, each with its environment before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.partition.partition import INITIAL
from harness.plan.plan import Plan


@dataclass(frozen=True)
class Look:
    """One look at all devices.

    Attributes:
        here: environment of this machine, the source and sink.
        nodes: of each node's device, in plan order; empty for a single device.
    """

    here: dict[str, Any]
    nodes: Sequence[dict[str, Any]] = ()


def farm_devices(plan: Plan, before: Look, after: Look | None) -> tuple[dict[str, Any], ...]:
    """This machine, and every host that runs nodes.

    Args:
        plan: roles on addresses.
        before: the look before the run.
        after: the look after it; None while it is not over.

    Returns:
        For each host its name, the roles of its nodes, and its environment before and after.
    """
    found: dict[str, dict[str, Any]] = {}
    for number, node in enumerate(plan.placements):
        host = node.address.host
        entry = found.setdefault(host, _device(host, before.nodes[number], after.nodes[number] if after else None))
        if node.role not in entry["roles"]:
            entry["roles"].append(node.role)
    # The source and sink may share its host with nodes, and is told apart all the same: it measures.
    source = _device(plan.farm.initial.host, before.here, after.here if after else None) | {"roles": [INITIAL]}
    return (source, *found.values())


def single_device(before: Look, after: Look | None) -> tuple[dict[str, Any], ...]:
    """This machine alone, as in `farm_devices`."""
    return (_device("host", before.here, after.here if after else None) | {"roles": [INITIAL]},)


def _device(name: str, before: dict[str, Any], after: dict[str, Any] | None) -> dict[str, Any]:
    return {"name": name, "roles": [], "before": before, "after": after}
