"""Nodes that share the cores of one machine: which core the computing thread of each keeps to (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from harness.plan.plan import Placement, Plan
from harness.plan.table import Share, shares_of

_MACS_PER_S = 30e9
_BYTES_PER_S = 20e9
"""What one core of a PC does, roughly: good for comparing blocks with each other, and for nothing else."""
_WEIGHT_BYTES = 4
_SHORT_S = 0.05
_UNEVEN = 1.1


def block_time_s(plan: Plan, placement: Placement) -> float:
    """Rough time in which one core of a PC computes a node's block once: arithmetic plus reading the weights."""
    role = placement.role
    if placement.spare:
        return 0.0
    arithmetic_s = plan.partition.macs(role) / _MACS_PER_S
    return arithmetic_s + plan.partition.parameters(role) * _WEIGHT_BYTES / _BYTES_PER_S


def share_costs_s(plan: Plan) -> dict[Share, float]:
    """Rough time of each share on one core of a PC; good for saying which one is the bottleneck."""
    own = {(node.role, node.part): node for node in plan.placements}
    return {share: block_time_s(plan, own[share]) for share in shares_of(plan.partition)}


def deal_cores(plan: Plan, placements: Sequence[Placement], cores: Sequence[int]) -> dict[Placement, int]:
    """Give each node a core to compute on, so that all cores have about the same to do for a frame.

    The scheduler moves threads that compute for a few milliseconds at a time too late, and a core stands idle while
    a block waits on the other one. It does balance long blocks well, so those are left to it, and so is everything
    else that a fixed assignment would make worse.

    Args:
        plan: the run's plan.
        placements: the nodes on this machine, with one computing thread each.
        cores: cores that may be used.

    Returns:
        The core of each node; empty when the scheduler shall choose: there is a core for each node, a block is
        long, or no even assignment was found.
    """
    if len(placements) <= len(cores) or len(cores) < 2:  # noqa: PLR2004  nothing to choose from
        return {}
    block_s = {placement: block_time_s(plan, placement) for placement in placements if not placement.spare}
    if max(block_s.values()) > _SHORT_S:
        return {}
    load_s = dict.fromkeys(cores, 0.0)
    dealt: dict[Placement, int] = {}
    # Longest first onto the core with the least to do: a replica sees only its share of the frames.
    for placement in sorted(block_s, key=lambda node: block_s[node] / node.replicas, reverse=True):
        core = min(load_s, key=lambda candidate: load_s[candidate])
        dealt[placement] = core
        load_s[core] += block_s[placement] / placement.replicas
    even = max(load_s.values()) <= _UNEVEN * sum(load_s.values()) / len(load_s)
    return dealt if even else {}
