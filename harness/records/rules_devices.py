"""Rules over the nodes of a farm and the devices of a run."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Final

from harness.records.environment import SINCE_START, THROTTLED_NOW, UNKNOWN
from harness.records.finding import Finding, judged, unknown

KEPT_TIMES: Final = 4096
"""A node keeps the times of so many frames, the latest ones."""
LOOK: Final = ("kernel", "governor", "frequency_max_khz", "throttled", "temperature_c", "memory_bytes", "packages")
"""What every look at a device holds, "unknown" at least."""
NODE_FIGURES: Final = ("nodes_cpu_s", "nodes_rss_bytes", "bytes_per_frame")
"""Metrics that a farm's counters and its plan give, and a single device does not have."""
_SOURCE: Final = "initial"
_SPARE: Final = "spare"
_ROUNDING_S: Final = 1.0
_SHOWN: Final = 3
_SAME_SOFTWARE: Final = ("tensorflow", "tensorflow-cpu", "keras", "avro", "numpy")


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


def device_findings(document: dict[str, Any]) -> list[Finding]:
    """Clocks, throttling and software of every device stayed what they were."""
    devices = document["devices"]
    return [
        _looks_finding(document),
        _clock_finding(devices),
        _throttling_finding(devices),
        _software_finding(devices),
        judged("duration", "the window fits between start and end of the run", _duration_problems(document)),
    ]


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
    steady = document.get("adapted") is None
    if steady:
        problems += [f"nobody answered as {role} at {address}" for address, role, *_ in sorted(planned - answered)]
    problems += [f"{role} at {address} is not in the plan" for address, role, *_ in sorted(answered - planned)]
    if len(document["nodes"]) != len(answered):
        problems.append("a node stands twice")
    if document["plan"]["model"] != document["model"]["name"]:
        problems.append(f"the plan is one of {document['plan']['model']}")
    if steady and len(document["nodes"]) + 1 != document["target"]["devices"]:
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
    steady = document.get("adapted") is None  # else a device may be new, and frames of older tables refused
    if steady and counted["refused"]:
        problems.append(f"refused {counted['refused']} messages")
    if len(counted["compute_s"]) != min(counted["computed"], KEPT_TIMES):
        problems.append(f"has {len(counted['compute_s'])} times for {counted['computed']} frames")
    if sum(counted["compute_s"]) > counted["wall_s"] * max(1, told["threads"]) + _ROUNDING_S:
        problems.append("computed for longer than the window lasted")
    if steady and counted["wall_s"] < window_s - _ROUNDING_S:
        problems.append(f"tells of {counted['wall_s']:.1f} s, the window lasts {window_s:.1f} s")
    if min(counted["cpu_s"], counted["rss_bytes"], *counted["compute_s"]) < 0:
        problems.append("has a counter below 0")
    return problems


def _count_findings(document: dict[str, Any]) -> list[Finding]:
    if document.get("adapted") is None:
        title = "every part of every role computed each frame exactly once"
        return [judged("computed", title, _count_problems(document))]
    title = "no part of a role computed more often than frames were sent"
    changes = document["adapted"]["changes"]
    told = f"{len(changes)} changes of the farm, {document['adapted']['sent_again']} frames sent again"
    same = "the farm stayed the same during the run"
    return [
        judged("computed", title, _repeated_problems(document)),
        unknown("steady", same, told) if changes else judged("steady", same, []),
    ]


def _repeated_problems(document: dict[str, Any]) -> list[str]:
    """A device that was lost has taken its counters along, so that only too much can be seen."""
    adapted = document["adapted"]
    most = len(document["frames"]) + adapted["sent_again"]
    computed: Counter[tuple[str, int]] = Counter()
    for node in document["nodes"]:
        for share in node["statistics"]["shares"]:
            computed[share["role"], share["part"]] += share["computed"]
    problems = [
        f"{role} part {part + 1} computed {found} frames, {most} were sent, repetitions included"
        for (role, part), found in computed.items()
        if found > most
    ]
    epochs = [change["epoch"] for change in adapted["changes"]]
    if epochs != sorted(set(epochs)):
        problems.append("the epochs of its tables do not follow each other")
    if adapted["late"] > adapted["sent_again"]:
        problems.append(f"{adapted['late']} results came late, {adapted['sent_again']} frames were sent again")
    return problems


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


def _looks_finding(document: dict[str, Any]) -> Finding:
    """Leaving a device out would hide what happened to it; a value that nobody could read is "unknown", not absent."""
    title = "every device was looked at, before and after"
    if document["ended_utc"] is None:
        return unknown("devices", title, "an older layout kept one look at one device")
    problems = []
    looked: dict[str, set[str]] = {}
    for device in document["devices"]:
        looked.setdefault(device["name"], set()).update(device["roles"])
        for when in ("before", "after"):
            look = device[when]
            if not look and document.get("adapted") is not None:
                continue  # it was gone
            lacking = "everything" if look is None else ", ".join(key for key in LOOK if key not in look)
            if lacking:
                problems.append(f"{device['name']} {when} the run lacks {lacking}")
    wanted = [(node["address"].rpartition(":")[0], node["role"]) for node in document["plan"].get("nodes", [])]
    problems += [f"{role} on {host} was not looked at" for host, role in wanted if role not in looked.get(host, ())]
    if not any(_SOURCE in roles for roles in looked.values()):
        problems.append("the device that measured was not looked at")
    return judged("devices", title, problems)


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
    return _of_all("governor", title, problems, silent)


def _of_all(rule: str, title: str, problems: list[str], silent: list[str]) -> Finding:
    """A rule over all devices: one that broke it counts more than one that says nothing."""
    if silent and not problems:
        return unknown(rule, title, f"not known of {_names(silent)}")
    return judged(rule, title, problems)


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
    return _of_all("throttled", title, problems, silent)


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
    try:
        wall_s = (_time(document["ended_utc"]) - _time(document["started_utc"])).total_seconds()
    except ValueError as error:
        return [f"start and end are no times: {error}"]
    if wall_s < 0:
        return ["the run ended before it started"]
    window_s = window_end_s(document)
    if window_s > wall_s + _ROUNDING_S:
        return [f"the window lasts {window_s:.1f} s, the whole run {wall_s:.1f} s"]
    return []


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _names(names: list[str]) -> str:
    different = list(dict.fromkeys(names))
    more = len(different) - _SHOWN
    return ", ".join(different[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
