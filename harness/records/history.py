"""What each version of the record's layout changed, and how an older one is read.

1: first layout: one `environment`, of the machine that measured; no manifest.
2: `devices` with the environment of each before and after; `ended_utc`, `kind`, `series`, `declared`; a run that
   was broken off leaves an INCOMPLETE record; canonical JSON with a manifest.
"""

from __future__ import annotations

from typing import Any

from harness.records.record import VERSION

READABLE = (1, VERSION)
"""Versions that are read."""


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """A record of any readable version in the layout of the present one; what was not kept then is None."""
    if document["version"] != 1:
        return document
    newer = {key: value for key, value in document.items() if key != "environment"}
    farm = document["target"].get("kind") == "farm"
    device = {
        "name": "initial" if farm else "host",
        "roles": ["initial"],
        "before": document["environment"],
        "after": None,
    }
    verdict = document["verdict"]
    if isinstance(verdict, dict):
        verdict = {**verdict, "broken_off": ""}
    return newer | {
        "ended_utc": None,
        "kind": "quick",
        "series": None,
        "declared": None,
        "devices": [device],
        "verdict": verdict,
        "energy": document.get("energy"),
        "manifest": None,
    }
