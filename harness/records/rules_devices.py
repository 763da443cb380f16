"""Rules over the nodes of a farm and the devices of a run."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from harness.records.environment import SINCE_START, THROTTLED_NOW, UNKNOWN
from harness.records.finding import Finding, judged, unknown

_ROUNDING_S: Final = 1.0
_SHOWN: Final = 3
_SAME_SOFTWARE: Final = ("tensorflow", "tensorflow-cpu", "keras", "avro", "numpy")


def node_findings(document: dict[str, Any]) -> list[Finding]:
    """The nodes' own counters and the account of the run fit together."""
    if document["target"]["kind"] == "host":
        title = "a single device has no nodes"
        return [judged("nodes", title, ["there are some"] if document["nodes"] else [])]
    try:
        return [
            judged("nodes", "each node of the plan answered, with its role, model and run", _node_problems(document)),
            judged("computed", "every part of every role computed each frame exactly once", _count_problems(document)),
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


def device_findings(document: dict[str, Any]) -> list[Finding]:
    """Clocks, throttling and software of every device stayed what they were."""
    devices = document["devices"]
    return [
        _clock_finding(devices),
        _throttling_finding(devices),
        _software_finding(devices),
        judged("duration", "the window fits between start and end of the run", _duration_problems(document)),
    ]


def _node_problems(document: dict[str, Any]) -> list[str]:
    model = document["model"]
    planned = {(node["address"], node["role"], node["part"], node["replica"]) for node in document["plan"]["nodes"]}
    answered = set()
    problems = []
    for node in document["nodes"]:
        told, counted = node["description"], node["statistics"]
        where = f"{told['role']} at {told['host']}:{told['port']}"
        answered.add((f"{told['host']}:{told['port']}", told["role"], told["part"], told["replica"]))
        if (told["model_fingerprint"], told["weights"]) != (model["fingerprint"], model["weights"]):
            problems.append(f"{where} computed another model")
        if counted["run"] != document["run"]:
            problems.append(f"{where} tells of run {counted['run']}")
        if counted["refused"]:
            problems.append(f"{where} refused {counted['refused']} messages")
        if len(counted["compute_s"]) != counted["computed"]:
            problems.append(f"{where} has {len(counted['compute_s'])} times for {counted['computed']} frames")
        if sum(counted["compute_s"]) > counted["wall_s"] * max(1, told["threads"]) + _ROUNDING_S:
            problems.append(f"{where} computed for longer than the window lasted")
    problems += [f"nobody answered as {role} at {address}" for address, role, *_ in sorted(planned - answered)]
    problems += [f"{role} at {address} is not in the plan" for address, role, *_ in sorted(answered - planned)]
    if document["plan"]["model"] != model["name"]:
        problems.append(f"the plan is one of {document['plan']['model']}")
    if len(document["nodes"]) + 1 != document["target"]["devices"]:
        problems.append(f"{len(document['nodes'])} nodes and a source are not {document['target']['devices']} devices")
    return problems


def _count_problems(document: dict[str, Any]) -> list[str]:
    frames = len(document["frames"])
    computed: dict[tuple[str, int], int] = {}
    for node in document["plan"]["nodes"]:
        computed.setdefault((node["role"], node["part"]), 0)
    for node in document["nodes"]:
        told = node["description"]
        part = (told["role"], told["part"])
        computed[part] = computed.get(part, 0) + node["statistics"]["computed"]
    return [
        f"{role} part {part + 1} computed {found} frames, {frames} were sent"
        for (role, part), found in computed.items()
        if found != frames
    ]


def _clock_finding(devices: list[dict[str, Any]]) -> Finding:
    title = "governor and clock limits are the same before and after"
    keys = ("governor", "frequency_min_khz", "frequency_max_khz")
    problems, silent = [], []
    for device in devices:
        before, after = device["before"], device["after"] or {}
        for key in keys:
            was, now = before.get(key, UNKNOWN), after.get(key, UNKNOWN)
            if UNKNOWN in (was, now):
                silent.append(device["name"])
            elif was != now:
                problems.append(f"{device['name']}: {key} was {was} before and {now} after")
    if problems:
        return judged("governor", title, problems)
    if silent:
        return unknown("governor", title, f"not known of {_names(silent)}")
    return judged("governor", title, [])


def _throttling_finding(devices: list[dict[str, Any]]) -> Finding:
    """Bits that came up during the run, or were up at its end; those of an earlier run are only told."""
    title = "no device was throttled or short of voltage"
    problems, silent = [], []
    for device in devices:
        before, after = (look.get("throttled", UNKNOWN) for look in (device["before"], device["after"] or {}))
        if not isinstance(before, int) or not isinstance(after, int):
            silent.append(device["name"])
            continue
        for bit, name in THROTTLED_NOW.items():
            new = after & ~before & (1 << (bit + SINCE_START))
            if new or (before | after) & (1 << bit):
                problems.append(f"{device['name']}: {name}")
    if problems:
        return judged("throttled", title, problems)
    if silent:
        return unknown("throttled", title, f"not known of {_names(silent)}")
    return judged("throttled", title, [])


def _software_finding(devices: list[dict[str, Any]]) -> Finding:
    title = "the same packages and one clean revision on every device"
    looks = [device["before"] for device in devices]
    versions: dict[str, set[str]] = {}
    for look in looks:
        packages = look.get("packages")
        for name in _SAME_SOFTWARE:
            if isinstance(packages, dict) and name in packages:
                versions.setdefault(name, set()).add(str(packages[name]))
    mixed = [f"{name} {' and '.join(sorted(found))}" for name, found in versions.items() if len(found) > 1]
    revisions = {str(look.get("revision", UNKNOWN)) for look in looks}
    if mixed:
        return unknown("software", title, f"mixed: {', '.join(mixed)}")
    if UNKNOWN in revisions:
        return unknown("software", title, "the revision of the program is not known")
    if len(revisions) > 1 or any(revision.endswith("+") for revision in revisions):
        return unknown("software", title, f"revision {', '.join(sorted(revisions))} (+ is an edited checkout)")
    return judged("software", title, [])


def _duration_problems(document: dict[str, Any]) -> list[str]:
    if document["ended_utc"] is None:
        return []
    wall_s = (_time(document["ended_utc"]) - _time(document["started_utc"])).total_seconds()
    if wall_s < 0:
        return ["the run ended before it started"]
    window_s = max((frame["verified_s"] or 0.0 for frame in document["frames"]), default=0.0)
    if window_s > wall_s + _ROUNDING_S:
        return [f"the window lasts {window_s:.1f} s, the whole run {wall_s:.1f} s"]
    return []


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _names(names: list[str]) -> str:
    different = list(dict.fromkeys(names))
    more = len(different) - _SHOWN
    return ", ".join(different[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
