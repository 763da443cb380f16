"""The rule over a record's energy: it follows from the power trace, or it is not shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from harness.metrics import ENERGY_FIGURES
from harness.records.energy_check import check_energy
from harness.records.finding import Finding, judged, unknown
from harness.records.manifest import TRACE, beside

_TITLE: Final = "energy follows from the power trace"
_MEASURED: Final = "energy_measured"


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
        return _without(told, "no power was measured"), {}
    if path is None:
        return unknown("energy", _TITLE, "the power trace is not at hand"), {}
    checked = check_energy(document, beside(path, TRACE))
    if checked.energy is None:
        return judged("energy", _TITLE, list(checked.refused)), {}
    if checked.energy["status"] != "VALID":
        return _without(told, f"INVALID: {'; '.join(checked.energy['reasons'])}"), {}
    figures = {name: checked.energy[field] for name, field in ENERGY_FIGURES.items()}
    known = {name: float(value) for name, value in figures.items() if value is not None}
    known[_MEASURED] = 1.0 if checked.energy["meter"]["measured"] else 0.0
    problems = [f"{name} is missing" for name in known if name not in document["metrics"]]
    if document["metrics"].get(_MEASURED) != known[_MEASURED]:
        problems.append(f"{_MEASURED} is not what the meter says of itself")
    return judged("energy", _TITLE, problems), {} if problems else known


def _without(told: list[str], why: str) -> Finding:
    if told:
        return judged("energy", _TITLE, [f"{told[0]} is told, and yet: {why}"])
    return unknown("energy", _TITLE, why)
