"""Rules over what computed: that it was what was asked for, and whether it adds up as the reference does."""

from __future__ import annotations

from typing import Any

from harness.records.computing import Computing
from harness.records.finding import Finding, judged


def runtime_finding(document: dict[str, Any]) -> Finding:
    """Whoever computed tells the runtime and the precision that the run was asked for."""
    title = "every block was computed by the runtime and in the precision that were asked for"
    options = document["options"]
    asked = (options.get("runtime", "keras"), options.get("precision", "f32"))
    problems = []
    for who, line in told_lines(document):
        try:
            told = Computing.parse(line)
        except ValueError as error:
            problems.append(f"{who} tells of no runtime: {error}")
            continue
        if (told.runtime, told.precision) != asked:
            problems.append(
                f"{who} computed with {told.runtime} in {told.precision}, asked for was {' in '.join(asked)}"
            )
    if asked != ("keras", "f32") and not told_lines(document):
        problems.append(f"nobody tells that it computed with {' in '.join(asked)}")
    return judged("runtime", title, problems)


def plain_kernels(document: dict[str, Any]) -> bool:
    """Whether nothing but the plain Keras function computed; a farm that may change may be joined by something else."""
    if document.get("adapted") is not None:
        return False
    try:
        return all(Computing.parse(line).plain for _, line in told_lines(document))
    except ValueError:
        return True  # the stricter bound; `runtime_finding` says what is wrong


def told_lines(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Who computed, and its line; older records of a single device tell none."""
    if document["target"]["kind"] == "host":
        line = document["target"].get("runtime")
        return [] if line is None else [("the single device", str(line))]
    return [
        (f"{told.get('role')} at {told.get('host')}", str(told["runtime"]))
        for told in (node["description"] for node in document["nodes"])
        if "runtime" in told
    ]
