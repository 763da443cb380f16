"""Figures made again from raw samples: what cannot be made again is not printed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.metrics import ENERGY_FIGURES
from power.energy import analyze
from power.errors import PowerError
from power.recording import Recording
from power.trace_file import read_trace
from power.verdict import Settings

TOLERANCE = 1e-9
"""Relative and absolute: another machine may add the same numbers in another order, nothing more."""
_MOST_DIFFERENCES = 4


@dataclass(frozen=True)
class Checked:
    """What a record and its trace agree on.

    Attributes:
        energy: the document of `power.energy.Energy.to_document`; None without energy, or where it is refused.
        recording: the trace it was made from; None likewise.
        refused: why the energy is not printed, one sentence each.
    """

    energy: dict[str, Any] | None = None
    recording: Recording | None = None
    refused: tuple[str, ...] = ()


def check_energy(document: dict[str, Any], trace_path: Path) -> Checked:
    """Make the energy of a record again from the trace beside it.

    Args:
        document: the record.
        trace_path: the CSV file that `power.trace_file` wrote.

    Returns:
        The energy when every value of it came out again; else the reasons why it is refused.
    """
    energy = document.get("energy")
    if energy is None:
        return Checked()
    if not isinstance(energy, dict):
        return Checked(refused=("the record's energy is no document",))
    if not trace_path.exists():
        return Checked(refused=(f"the trace {trace_path.name} is not beside the record: nothing can be made again",))
    try:
        recording = read_trace(trace_path)
        settings = _settings(energy)
        again = analyze(recording.trace, recording.phases, recording.frames, settings, recording.pace).to_document()
    except PowerError as error:
        # A report is for others: it names files, not the folders of whoever made it.
        message = error.message.replace(str(trace_path), trace_path.name)
        return Checked(refused=(f"the trace cannot be analyzed: {message}",))
    problems = _differences(energy, again, "energy") + _metric_differences(document, energy)
    verified = _verified_s(document) or {}
    if recording.frames != len(verified):
        problems.append(f"{recording.frames} frames stand in the trace, {len(verified)} in the record are verified")
    if problems:
        shown = problems[:_MOST_DIFFERENCES]
        more = len(problems) - len(shown)
        refused = [f"record and trace disagree: {problem}" for problem in shown]
        return Checked(refused=(*refused, *([f"and {more} more differences"] if more else [])))
    return Checked(energy=energy, recording=recording)


def check_ips(document: dict[str, Any]) -> tuple[float | None, tuple[str, ...]]:
    """Inferences per second again from the raw frames.

    Args:
        document: the record.

    Returns:
        The figure, distinct verified frames over the window from the first send to the last verified result, and
        no reason; or None and the reason.
    """
    recorded = document["metrics"].get("ips") if isinstance(document["metrics"], dict) else None
    if recorded is None:
        return None, ()
    done = _verified_s(document)
    if done is None or not _is_number(recorded):
        return None, ("the record's raw frames cannot be read: its IPS cannot be made again",)
    window_s = max(done.values(), default=0.0)
    again = len(done) / window_s if window_s > 0 else 0.0
    if not _same_number(recorded, again):
        return None, (f"IPS: the record says {recorded!r}, its raw frames give {again!r}",)
    return float(recorded), ()


def _settings(energy: dict[str, Any]) -> Settings:
    try:
        return Settings(**energy["settings"])
    except (KeyError, TypeError):
        raise PowerError("the record's settings of the energy are incomplete or unknown") from None


def _verified_s(document: dict[str, Any]) -> dict[int, float] | None:
    """When the result of each frame was there, for those that equalled the reference; None for frames of no form.

    Seconds by the number of the frame: one that stands twice counts once.
    """
    try:
        return {
            frame["frame"]: frame["verified_s"]
            for frame in document["frames"]
            if frame["verified_s"] is not None and frame["error"] <= document["tolerance"] and frame["verified_s"] >= 0
        }
    except (TypeError, KeyError):
        return None


def _metric_differences(document: dict[str, Any], energy: dict[str, Any]) -> list[str]:
    """Where the record's metrics say something else than its energy; an INVALID energy leaves no metrics."""
    metrics = document["metrics"] if isinstance(document["metrics"], dict) else {}
    return [
        f"metrics.{metric} is {metrics[metric]!r}, energy.{name} is {energy.get(name)!r}"
        for metric, name in ENERGY_FIGURES.items()
        if metric in metrics and not _same(metrics[metric], energy.get(name))
    ]


def _differences(recorded: Any, again: Any, where: str) -> list[str]:
    """Every place where two documents differ, in words."""
    if isinstance(recorded, dict) and isinstance(again, dict):
        found = []
        for key in [*again, *(key for key in recorded if key not in again)]:
            place = f"{where}.{key}"
            if key not in recorded:
                found.append(f"the record lacks {place}")
            elif key not in again:
                found.append(f"{place} is unknown to this program")
            else:
                found += _differences(recorded[key], again[key], place)
        return found
    if isinstance(recorded, list) and isinstance(again, list) and len(recorded) == len(again):
        pairs = zip(recorded, again, strict=True)
        return [text for at, (one, two) in enumerate(pairs) for text in _differences(one, two, f"{where}[{at}]")]
    return [] if _same(recorded, again) else [f"{where} is {recorded!r} in the record, {again!r} by the trace"]


def _same(one: Any, two: Any) -> bool:
    if _is_number(one) and _is_number(two):
        return _same_number(one, two)
    return type(one) is type(two) and bool(one == two)


def _same_number(one: float, two: float) -> bool:
    return math.isclose(one, two, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
