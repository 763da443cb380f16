"""The rows to take away: CSV, JSON and Markdown (pure)."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.board.cells import cells_of
from harness.board.columns import COLUMNS, SHOWN
from harness.board.row import Row

FORMAT = "ck-iot-farm scoreboard"
VERSION = 1
"""Version of the layout of `scoreboard.json`. 1: first layout."""

_TEXTS = ("id", "origin", "model", "system", "kind", "device", "devices", "started_utc", "verdict")
_FORMULA = re.compile(r"[=+\-@\t\r]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~^$-])")


def json_document(rows: Sequence[Row], *, program: str, generated_utc: str, files: Sequence[str]) -> dict[str, Any]:
    """The rows as plain data, each figure to the last digit.

    Args:
        rows: in the order of the table.
        program: name and version of what made it.
        generated_utc: ISO 8601.
        files: what belongs to the scoreboard, paths in its folder.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": program,
        "generated_utc": generated_utc,
        "units": {metric.id: metric.unit for metric in SHOWN.values()},
        "rows": [row.to_document() for row in rows],
        "files": list(files),
    }


def csv_text(rows: Sequence[Row]) -> str:
    """The rows as CSV with column names and units; a text that a spreadsheet would compute gets a leading quote."""
    metrics = [metric_id for metric_id in SHOWN if any(_known(row, metric_id) for row in rows)]
    corrected = [metric_id for metric_id in metrics if any(metric_id in row.corrected for row in rows)]
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    ranges = [f"{metric_id}_corrected_{end}" for metric_id in corrected for end in ("low", "high")]
    table.writerow([*_TEXTS, *metrics, *ranges, "marks", "reasons", "notes", "correction", "source", "command", "name"])
    for row in rows:
        limits: Mapping[str, tuple[float, float]] = row.corrected
        table.writerow(
            [
                *(_safe(str(getattr(row, name))) for name in _TEXTS),
                *(_number(row.value(metric_id)) for metric_id in metrics),
                *(
                    _number(limits[metric_id][end] if metric_id in limits else None)
                    for metric_id in corrected
                    for end in (0, 1)
                ),
                *(_safe("; ".join(texts)) for texts in (row.marks, row.reasons, row.notes)),
                *(_safe(text) for text in (row.correction, row.source, row.command, row.name)),
            ]
        )
    return stream.getvalue()


def markdown_text(rows: Sequence[Row], title: str) -> str:
    """The rows as tables of Markdown, verified and published ones apart; what is not VALID is left out."""
    lines = [f"# {_marked(title)}", ""]
    for verdict, heading in (("VALID", "Verified runs"), ("PUBLISHED", "Published in 2018, not verified")):
        members = [row for row in rows if row.verdict == verdict]
        lines += [f"## {heading}", ""]
        if not members:
            lines += ["None.", ""]
            continue
        lines.append("| model | system | devices |" + "".join(f" {column.title} |" for column in COLUMNS) + " marks |")
        lines.append("|---|---|---:|" + "---:|" * len(COLUMNS) + "---|")
        for row in members:
            cells = [
                " ".join(
                    filter(None, (cell.text, cell.uncertainty, cell.corrected and f"(corrected {cell.corrected})"))
                )
                for cell in cells_of(row)
            ]
            texts = [row.model, row.label, str(row.devices), *cells, ", ".join(row.marks)]
            lines.append(
                "| "
                + " | ".join(_marked(text) if at in (0, 1, len(texts) - 1) else text for at, text in enumerate(texts))
                + " |"
            )
        lines.append("")
    return "\n".join(lines)


def _known(row: Row, metric_id: str) -> bool:
    return row.value(metric_id) is not None


def _number(value: float | None) -> str:
    return "" if value is None else repr(value)


def _safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if _FORMULA.match(text) else text


def _marked(text: str) -> str:
    """Text without any mark-up of Markdown or HTML."""
    return _MARKDOWN.sub(r"\\\1", html.escape(text, quote=False))
