"""Nodes that share the cores of one machine: which core the computing thread of each keeps to (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.plan.plan import Placement, Plan
from harness.plan.table import Share, shares_of

_MACS_PER_S = 45e9
_BYTES_PER_S = 23e9
"""What one core of a PC does, roughly: good for comparing blocks with each other, and for nothing else.

Measured on an AMD EPYC: the convolutions of AlexNet and VGG16, and their dense layers, with the other core idle.
"""
_WEIGHT_BYTES = 4
_SHORT_S = 0.05
_UNEVEN = 1.2


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
    if not 0 < max(block_s.values()) <= _SHORT_S:
        return {}
    # A replica sees only its share of the frames.
    frame_s = {node: time_s / node.replicas for node, time_s in block_s.items()}
    dealt = _dealt_by_kind(plan, frame_s, cores)
    return dealt if _even(dealt, frame_s, cores) else {}


def _dealt_by_kind(plan: Plan, frame_s: Mapping[Placement, float], cores: Sequence[int]) -> dict[Placement, int]:
    """Blocks that read many weights for little arithmetic stay together, as far as the cores' loads allow.

    Two cores that read weights at once get them more slowly, each by 40 % on an AMD EPYC; one that reads beside one
    that multiplies is not disturbed.
    """
    ordered = sorted(
        frame_s, key=lambda node: plan.partition.macs(node.role) / max(1, plan.partition.parameters(node.role))
    )
    # Consecutive runs of the ordered blocks, one for each core: a block begins the next one at the nearest border.
    share_s = sum(frame_s.values()) / len(cores)
    dealt, done_s = {}, 0.0
    for node in ordered:
        middle_s = done_s + frame_s[node] / 2
        dealt[node] = cores[min(int(middle_s / share_s), len(cores) - 1)]
        done_s += frame_s[node]
    return dealt


def _even(dealt: Mapping[Placement, int], frame_s: Mapping[Placement, float], cores: Sequence[int]) -> bool:
    load_s = dict.fromkeys(cores, 0.0)
    for node, core in dealt.items():
        load_s[core] += frame_s[node]
    return max(load_s.values()) <= _UNEVEN * sum(load_s.values()) / len(load_s)
