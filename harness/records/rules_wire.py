"""Rules over a wire that rounds what travels between blocks: that it was asked for, what it costs, what it spares."""

from __future__ import annotations

from typing import Any, Final

from harness.records.finding import Finding, judged
from harness.records.rules_adapted import changed

WIRE_FIGURES: Final = ("wire_error", "wire_top1")
"""Metrics of a rounding wire alone."""
_EXACT: Final = "f32"
_SOURCE: Final = "initial"
_SCALE_BYTES: Final = 8


def wire_of(document: dict[str, Any]) -> str:
    """How tensors travelled between the blocks of a run: "f32", "fp16" or "uint8"."""
    told = document.get("wire")
    return _EXACT if told is None else str(told["encoding"])


def wire_finding(document: dict[str, Any]) -> Finding:
    """What was asked for, planned, told and counted is one and the same wire."""
    title = "tensors travelled between blocks as was asked for, and the error of that is told"
    told, options, plan = document.get("wire"), document["options"], document["plan"]
    wires = {options.get("wire", _EXACT), plan.get("wire", _EXACT), wire_of(document)}
    problems = [f"{' and '.join(sorted(map(str, wires)))} are told of one wire"] if len(wires) > 1 else []
    if told is not None:
        try:
            problems += _told_problems(document, told)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            problems.append(f"plan or nodes are incomplete: {error!r}")
    return judged("wire", title, problems)


def wire_figures(document: dict[str, Any]) -> dict[str, float]:
    """Error of a wire over the images of a run, and for how many of them the most likely class stays; {} for f32."""
    told = document.get("wire")
    if not told:
        return {}
    return {"wire_error": max(told["errors"]), "wire_top1": sum(told["same_class"]) / len(told["same_class"])}


def _told_problems(document: dict[str, Any], told: dict[str, Any]) -> list[str]:
    problems = []
    if document["target"]["kind"] == "host":
        problems.append("a single device has no wire")
    if len(told["errors"]) != len(told["same_class"]):
        problems.append(f"{len(told['errors'])} errors stand beside {len(told['same_class'])} classes")
    images = max((frame["image"] for frame in document["frames"]), default=-1) + 1
    if images > len(told["errors"]):
        problems.append(f"frames carry {images} images, the error of {len(told['errors'])} is told")
    edges = document["plan"]["edges"]
    exact = sum(edge["messages_per_frame"] * _exact_bytes(edge, told["encoding"]) for edge in edges)
    if exact != told["f32_bytes_per_frame"]:
        problems.append(f"the edges would carry {exact} bytes as f32, {told['f32_bytes_per_frame']} are told")
    return problems + ([] if changed(document.get("adapted")) else _count_problems(document))


def _exact_bytes(edge: dict[str, Any], encoding: str) -> int:
    """Bytes of a message had its values been sent as float32."""
    size = int(edge["message_bytes"])
    if _SOURCE in (edge["from"], edge["to"]):
        return size
    return 2 * size if encoding == "fp16" else 4 * (size - _SCALE_BYTES)


def _count_problems(document: dict[str, Any]) -> list[str]:
    """Nodes that took another number of bytes than messages of this wire have."""
    due: dict[str, int] = {}
    for edge in document["plan"]["edges"]:
        due[edge["to"]] = due.get(edge["to"], 0) + edge["messages_per_frame"] * edge["message_bytes"]
    taken: dict[str, int] = {}
    for node in document["nodes"]:
        role = node["description"]["role"]
        taken[role] = taken.get(role, 0) + node["statistics"]["bytes_in"]
    frames = len(document["frames"])
    return [
        f"{role} took {count} bytes, {frames} frames have {frames * due[role]}"
        for role, count in taken.items()
        if role in due and count != frames * due[role]
    ]
