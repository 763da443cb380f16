"""The figures of a report as JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.figures import COLUMNS
from harness.report.systems import State, System

FORMAT = "ck-iot-farm energy report"
VERSION = 1


@dataclass(frozen=True)
class Heading:
    """What stands above every form of a report.

    Attributes:
        title: of the page.
        program: name and version of what made it.
        generated_utc: ISO 8601.
        files: everything that belongs to it, names in its folder.
    """

    title: str
    program: str
    generated_utc: str
    files: tuple[str, ...]


def json_document(heading: Heading, systems: Sequence[System]) -> dict[str, Any]:
    """The report as plain data: each energy as the record has it, to the last digit.

    Args:
        heading: title and provenance.
        systems: in the order of the page.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": heading.title,
        "program": heading.program,
        "generated_utc": heading.generated_utc,
        "virtual": any(system.virtual for system in systems),
        "files": list(heading.files),
        "systems": [_system_document(system) for system in systems],
    }


def csv_text(heading: Heading, systems: Sequence[System]) -> str:
    """The report as CSV: `# key: JSON` lines of provenance, column names with units, one line a system.

    Args:
        heading: title and provenance.
        systems: in the order of the page.
    """
    stream = io.StringIO()
    for key, value in (("program", heading.program), ("generated_utc", heading.generated_utc)):
        stream.write(f"# {key}: {json.dumps(value)}\n")
    for system in systems:
        stream.write(f"# system: {json.dumps(_provenance(system))}\n")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(csv_columns())
    table.writerows(_csv_row(system) for system in systems)
    return stream.getvalue()


def csv_columns() -> list[str]:
    """Names of the columns, each figure with its unit."""
    figures = [name for column in COLUMNS for name in (column.csv, column.u_csv) if name]
    return [*_TEXT_COLUMNS, *figures, "k", "energy_verdict", "speed_verdict", "reasons", "notes", "record"]


_TEXT_COLUMNS = ("model", "system", "target", "single_device", "devices", "emulated", "power", "started_utc")


def _csv_row(system: System) -> list[str]:
    figures = system.figures
    row = [
        system.model,
        system.label,
        system.target,
        system.device,
        str(system.devices),
        system.emulated or "",
        power_word(system),
        system.started_utc,
    ]
    metrics = [metric for column in COLUMNS for metric in (column.metric, column.uncertainty) if metric]
    return [
        *row,
        *(repr(figures[metric]) if metric in figures else "" for metric in metrics),
        "" if system.k is None else repr(system.k),
        system.state.value,
        speed_word(system),
        "; ".join(system.all_reasons),
        "; ".join(system.notes),
        system.source.path.name,
    ]


def power_word(system: System) -> str:
    """Whether the energy was measured: "measured", "virtual", "none" or "refused"."""
    if system.state is State.NONE:
        return "none"
    if system.virtual:
        return "virtual"
    return "refused" if system.refused else "measured"


def speed_word(system: System) -> str:
    """Verdict of the speed."""
    return "INVALID" if system.speed_reasons else "VALID"


def _provenance(system: System) -> dict[str, Any]:
    """Where the figures of one system come from."""
    known: dict[str, Any] = {
        "system": system.label,
        "model": system.model,
        "record": system.source.path.name,
        "record_sha256": system.source.sha256,
        "trace": system.source.trace_path.name if system.recording else None,
        "trace_sha256": system.trace_sha256,
    }
    if system.energy is not None:
        meter = system.energy["meter"]
        known |= {
            name: meter[name]
            for name in ("identity", "resource", "profile", "profile_sha256", "scope", "measured", "range_w")
        }
        known["k"] = system.k
    return known


def _system_document(system: System) -> dict[str, Any]:
    return {
        **_provenance(system),
        "run": system.run,
        "started_utc": system.started_utc,
        "target": system.target,
        "single_device": system.device or None,
        "devices": system.devices,
        "emulated": system.emulated,
        "power": power_word(system),
        "energy_verdict": system.state.value,
        "speed_verdict": speed_word(system),
        "reasons": list(system.all_reasons),
        "figures": system.figures,
        "energy": system.energy,
    }
