"""Rules over the devices of a run: clocks, throttling, software, and how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from harness.records.environment import SINCE_START, THROTTLED_NOW, UNKNOWN
from harness.records.finding import Finding, judged, unknown
from harness.records.rules_adapted import lost_in
from harness.records.rules_nodes import window_end_s

LOOK: Final = ("kernel", "governor", "frequency_max_khz", "throttled", "temperature_c", "memory_bytes", "packages")
"""What every look at a device holds, "unknown" at least."""
_SOURCE: Final = "initial"
_ROUNDING_S: Final = 1.0
_SHOWN: Final = 3
_SAME_SOFTWARE: Final = ("tensorflow", "tensorflow-cpu", "keras", "avro", "numpy")


def device_findings(document: dict[str, Any]) -> list[Finding]:
    """Clocks, throttling and software of every device stayed what they were."""
    devices = document["devices"]
    return [
        _looks_finding(document),
        _clock_finding(devices),
        throttling_finding(devices),
        _software_finding(devices),
        judged("duration", "the window fits between start and end of the run", _duration_problems(document)),
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
            if not look and any(one.rpartition(":")[0] == device["name"] for one in lost_in(document)):
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


def throttling_finding(devices: Sequence[dict[str, Any]]) -> Finding:
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
