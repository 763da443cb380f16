"""The rule over a record's energy: it follows from the power trace, or it is not shown."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Final

from harness.metrics import ENERGY_FIGURES
from harness.records.energy_check import TOLERANCE, Checked, check_energy
from harness.records.finding import Finding, judged, unknown
from harness.records.manifest import TRACE, beside
from harness.records.record import FrameSample
from harness.records.window import window_metrics
from power.verdict import Settings

_TITLE: Final = "energy follows from the power trace"
_MEASURED: Final = "energy_measured"
_VIRTUAL: Final = re.compile(r"\bVIRTUAL\b", re.IGNORECASE)
"""As in `power.instrument`: the virtual analyzer says so where an instrument has its serial number."""


def energy_figures(document: dict[str, Any], path: Path | None) -> tuple[Finding, dict[str, float]]:
    """Make the energy again.

    Args:
        document: the record.
        path: its file, beside which the trace lies; None where there are no files.

    Returns:
        What is to be said of it, and the figures that came out again; none unless the energy is VALID.
    """
    told = [name for name in (*ENERGY_FIGURES, _MEASURED) if name in document["metrics"]]
    if document["energy"] is None:
        return _without(told, "no power was measured", document["metrics"]), {}
    if path is None:
        return unknown("energy", _TITLE, "the power trace is not at hand"), {}
    checked = check_energy(document, beside(path, TRACE))
    if checked.energy is None:
        return judged("energy", _TITLE, list(checked.refused)), {}
    if checked.energy["status"] != "VALID":
        return _without(told, f"INVALID: {'; '.join(checked.energy['reasons'])}", document["metrics"]), {}
    figures = {name: checked.energy[field] for name, field in ENERGY_FIGURES.items()}
    known = {name: float(value) for name, value in figures.items() if value is not None}
    known[_MEASURED] = 1.0 if checked.energy["meter"]["measured"] else 0.0
    problems = [f"{name} is missing" for name in known if name not in document["metrics"]]
    problems += _weaker(checked.energy["settings"]) + _other_pace(document, checked)
    if document["metrics"].get(_MEASURED) != known[_MEASURED]:
        problems.append(f"{_MEASURED} is not what the meter says of itself")
    if checked.energy["meter"]["measured"] and _VIRTUAL.search(checked.energy["meter"]["identity"]):
        problems.append("a meter that calls itself virtual measured nothing")
    if document["metrics"].get("energy_valid", 1) != 1:
        problems.append("energy_valid says no, and the trace yes")
    return judged("energy", _TITLE, problems), {} if problems else known


def _weaker(settings: dict[str, Any]) -> list[str]:
    """Limits that are wider than those of `power.verdict.Settings`: with wide ones, everything is VALID."""
    limits = Settings()
    wider = (
        settings["coverage_min"] < limits.coverage_min
        or settings["gap_max_s"] > limits.gap_max_s
        or settings["updates_min"] < limits.updates_min
        or settings["k"] != limits.k
    )
    return [f"it was judged by wider limits than {limits}"] if wider else []


def _other_pace(document: dict[str, Any], checked: Checked) -> list[str]:
    """The trace knows how fast the frames came: that of another run does not fit."""
    pace = checked.recording.pace if checked.recording else None
    if pace is None:
        return ["the trace does not tell how fast the frames came"]
    frames = window_metrics([FrameSample(**frame) for frame in document["frames"]])
    told = {"window_s": pace.window_s, "latency_mean_s": pace.latency_mean_s}
    return [
        f"{name} is {value!r} in the trace, {frames.get(name)!r} by the frames"
        for name, value in told.items()
        if not math.isclose(value, frames.get(name, math.nan), rel_tol=TOLERANCE)
    ]


def _without(told: list[str], why: str, metrics: dict[str, Any]) -> Finding:
    if told:
        return judged("energy", _TITLE, [f"{told[0]} is told, and yet: {why}"])
    if metrics.get("energy_valid"):
        return judged("energy", _TITLE, [f"energy_valid says yes, and yet: {why}"])
    return unknown("energy", _TITLE, why)
