"""Rules over the nodes of a farm: their counters, and the plan that they belong to."""

from __future__ import annotations

from typing import Any, Final

from harness.records.finding import Finding, judged, unknown
from harness.records.rules_adapted import changed, computed_too_often, lost_in, steady_problems

KEPT_TIMES: Final = 4096
"""A node keeps the times of so many frames, the latest ones."""
NODE_FIGURES: Final = ("nodes_cpu_s", "nodes_rss_bytes", "bytes_per_frame")
"""Metrics that a farm's counters and its plan give, and a single device does not have."""
_SOURCE: Final = "initial"
_SPARE: Final = "spare"
_ROUNDING_S: Final = 1.0


def node_findings(document: dict[str, Any]) -> list[Finding]:
    """The nodes' own counters and the account of the run fit together."""
    if document["target"]["kind"] == "host":
        return [judged("nodes", "a single device has no nodes", _host_problems(document))]
    try:
        return [
            judged("target", "the plan is for the addresses of the target", _target_problems(document)),
            judged("nodes", "each node of the plan answered, with its role, model and run", _node_problems(document)),
            *_count_findings(document),
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return [judged("nodes", "each node of the plan answered", [f"plan or nodes are incomplete: {error!r}"])]


def node_figures(document: dict[str, Any]) -> dict[str, float]:
    """What the nodes' counters and the plan give."""
    if document["target"]["kind"] == "host":
        return {}
    statistics = [node["statistics"] for node in document["nodes"]]
    try:
        return {
            "nodes_cpu_s": sum(entry["cpu_s"] for entry in statistics),
            "nodes_rss_bytes": sum(entry["rss_bytes"] for entry in statistics),
            "bytes_per_frame": document["plan"]["bytes_per_frame"],
        }
    except (KeyError, TypeError):
        return {}


def window_end_s(document: dict[str, Any]) -> float:
    """When the last verified result was there, seconds since the first send; 0 without any."""
    return max((frame["verified_s"] or 0.0 for frame in document["frames"]), default=0.0)


def _host_problems(document: dict[str, Any]) -> list[str]:
    target = document["target"]
    problems = ["there are some"] if document["nodes"] else []
    if target["devices"] != 1:
        problems.append(f"it is {target['devices']} devices")
    if document["plan"]:
        problems.append("it has a plan")
    if target.get("roles"):
        problems.append("it has roles")
    if target.get("device") not in {"cpu", "gpu"}:
        problems.append("it is neither cpu nor gpu")
    return problems


def _target_problems(document: dict[str, Any]) -> list[str]:
    roles, plan = document["target"]["roles"] or {}, document["plan"]
    listed = {(role, address) for role, addresses in roles.items() for address in addresses}
    planned = {(node["role"], node["address"]) for node in plan["nodes"]}
    problems = [f"{role} at {address} is planned and no part of the target" for role, address in planned - listed]
    problems += [f"{role} at {address} has no place" for role, address in listed - planned if role != _SOURCE]
    if document["target"].get("device") is not None:
        problems.append("a farm is no single device")
    if plan["devices"] != document["target"]["devices"]:
        problems.append(f"the plan is for {plan['devices']} devices, the target has {document['target']['devices']}")
    sums = [edge["messages_per_frame"] * edge["message_bytes"] for edge in plan.get("edges") or []]
    if sums and sum(sums) != plan["bytes_per_frame"]:
        problems.append(f"the edges carry {sum(sums)} bytes for a frame, {plan['bytes_per_frame']} are told")
    return sorted(problems)


def _node_problems(document: dict[str, Any]) -> list[str]:
    planned = {(node["address"], node["role"], node["part"], node["replica"]) for node in document["plan"]["nodes"]}
    answered = set()
    problems = []
    window_s = window_end_s(document)
    for node in document["nodes"]:
        told = node["description"]
        answered.add((f"{told['host']}:{told['port']}", told["role"], told["part"], told["replica"]))
        problems += [
            f"{told['role']} at {told['host']}:{told['port']} {what}" for what in _odd_node(node, document, window_s)
        ]
    lost = lost_in(document)
    problems += [
        f"nobody answered as {role} at {address}"
        for address, role, *_ in sorted(planned - answered)
        if address not in lost
    ]
    problems += [f"{role} at {address} is not in the plan" for address, role, *_ in sorted(answered - planned)]
    if len(document["nodes"]) != len(answered):
        problems.append("a node stands twice")
    if document["plan"]["model"] != document["model"]["name"]:
        problems.append(f"the plan is one of {document['plan']['model']}")
    if not lost and len(document["nodes"]) + 1 != document["target"]["devices"]:
        problems.append(f"{len(document['nodes'])} nodes and a source are not {document['target']['devices']} devices")
    return problems


def _odd_node(node: dict[str, Any], document: dict[str, Any], window_s: float) -> list[str]:
    """What one node tells and cannot be so."""
    told, counted, model = node["description"], node["statistics"], document["model"]
    problems = []
    if (told["model_fingerprint"], told["weights"]) != (model["fingerprint"], model["weights"]):
        problems.append("computed another model")
    if counted["run"] != document["run"]:
        problems.append(f"tells of run {counted['run']}")
    lost = lost_in(document)
    # Frames of a table that is not in force any more are refused, or of a run that a new process does not know.
    tables = (document.get("adapted") or {}).get("changes")
    if counted["refused"] and not (lost or tables):
        problems.append(f"refused {counted['refused']} messages")
    if len(counted["compute_s"]) != min(counted["computed"], KEPT_TIMES):
        problems.append(f"has {len(counted['compute_s'])} times for {counted['computed']} frames")
    if sum(counted["compute_s"]) > counted["wall_s"] * max(1, told["threads"]) + _ROUNDING_S:
        problems.append("computed for longer than the window lasted")
    if f"{told['host']}:{told['port']}" not in lost and counted["wall_s"] < window_s - _ROUNDING_S:
        problems.append(f"tells of {counted['wall_s']:.1f} s, the window lasts {window_s:.1f} s")
    if min(counted["cpu_s"], counted["rss_bytes"], *counted["compute_s"]) < 0:
        problems.append("has a counter below 0")
    return problems


def _count_findings(document: dict[str, Any]) -> list[Finding]:
    adapted, steady = document.get("adapted"), "the farm stayed the same during the run"
    problems = steady_problems(document, window_end_s(document))
    if adapted is None or not changed(adapted):
        title = "every part of every role computed each frame exactly once"
        return [judged("computed", title, _count_problems(document)), judged("steady", steady, problems)]
    title = "no part of a role computed more often than frames were sent"
    too_often = computed_too_often(document["nodes"], len(document["frames"]) + adapted["sent_again"])
    told = (
        f"tables of addresses: {len(adapted['changes'])}, frames sent again: {adapted['sent_again']}, "
        f"devices lost for a time: {len(adapted['lost'])}"
    )
    return [
        judged("computed", title, too_often),
        judged("steady", steady, problems) if problems else unknown("steady", steady, told),
    ]


def _count_problems(document: dict[str, Any]) -> list[str]:
    frames = len(document["frames"])
    computed: dict[tuple[str, int], int] = {}
    for node in document["plan"]["nodes"]:
        if node["role"] != _SPARE:
            computed.setdefault((node["role"], node["part"]), 0)
    for node in document["nodes"]:
        told = node["description"]
        part = (told["role"], told["part"])
        if told["role"] == _SPARE and not node["statistics"]["computed"]:
            continue
        computed[part] = computed.get(part, 0) + node["statistics"]["computed"]
    return [
        f"{role} part {part + 1} computed {found} frames, {frames} were sent"
        for (role, part), found in computed.items()
        if found != frames
    ]
