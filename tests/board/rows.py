"""Rows for tests of the scoreboard, made without runs."""

from __future__ import annotations

from typing import Any

from harness.board.catalogue.tables import Card
from harness.board.row import Row


def row(key: str, **changes: Any) -> Row:
    """One row; whatever is named differs from an ordinary verified run."""
    values: dict[str, Any] = {
        "id": key,
        "origin": "run",
        "model": "alexnet",
        "system": "farm-5-local",
        "kind": "farm",
        "device": "",
        "devices": 5,
        "started_utc": "2026-11-21T06:02:56.747+00:00",
        "figures": {"ips": 40.0, "latency_p90_s": 0.2},
        "verdict": "VALID",
        "marks": ("quick",),
        "name": f"run-{key}",
    }
    return Row(**(values | changes))


def card(key: str, **changes: Any) -> Card:
    """The card of `row`, with nothing besides."""
    return Card.of(row(key, **changes))


def key_of(number: int) -> str:
    """An id as records have it."""
    return f"{number:016x}"
