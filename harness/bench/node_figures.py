"""What the nodes' own counters say of a run (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.plan.plan import Plan
from harness.records.rules_adapted import changed, computed_too_often
from harness.records.statistics import percentile


def contradictions(
    plan: Plan, nodes: Sequence[dict[str, Any]], frames: int, adapted: dict[str, Any] | None = None
) -> list[str]:
    """Reasons why the nodes' counters and the account of the run do not fit together.

    Every part of every role must have computed each frame exactly once. On a farm that was allowed to change, nobody
    may have computed more often than frames were sent, repetitions included: who was lost took its counters along.
    """
    if adapted is not None and changed(adapted):
        return computed_too_often(nodes, frames + adapted["sent_again"])
    reasons = []
    for role in plan.partition.roles:
        for part in range(role.parts):
            computed = sum(
                node["statistics"]["computed"]
                for node in nodes
                if (node["description"]["role"], node["description"]["part"]) == (role.name, part)
            )
            if computed != frames:
                name = f"{role.name} part {part + 1} of {role.parts}" if role.parts > 1 else role.name
                reasons.append(f"{name} computed {computed} frames, {frames} were sent")
    for node in nodes:
        statistics, description = node["statistics"], node["description"]
        if statistics["refused"]:
            where = f"{description['role']} at {description['host']}:{description['port']}"
            reasons.append(f"{where} refused {statistics['refused']} messages: {statistics['errors'][-1]}")
    return reasons


def role_figures(plan: Plan, nodes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per role: nodes, median compute and queue time (s), bytes in and out for one frame, CPU (s), memory (B)."""
    figures = []
    for role in plan.partition.roles:
        own = [node["statistics"] for node in nodes if node["description"]["role"] == role.name]
        compute = [value for entry in own for value in entry["compute_s"]]
        queue = [value for entry in own for value in entry["queue_s"]]
        figures.append(
            {
                "role": role.name,
                "nodes": len(own),
                "compute_p50_s": percentile(compute, 50) if compute else None,
                "queue_p50_s": percentile(queue, 50) if queue else None,
                "frames": sum(entry["computed"] for entry in own),
                "bytes_in": sum(entry["bytes_in"] for entry in own),
                "bytes_out": sum(entry["bytes_out"] for entry in own),
                "cpu_s": sum(entry["cpu_s"] for entry in own),
                "rss_bytes": sum(entry["rss_bytes"] for entry in own),
            }
        )
    return figures
