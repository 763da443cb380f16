"""Rows as cells of a table, and as the data that the page's own scripts sort and plot (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.board.columns import AXES, COLUMNS, DEFAULT_AXES, SHOWN, Column, figure_text, is_energy
from harness.board.row import USABLE, Row
from harness.board.words import range_text
from harness.metrics import written

_COLUMN = {column.id: column for column in COLUMNS}
_UNCERTAINTIES = {column.uncertainty for column in COLUMNS}


@dataclass(frozen=True)
class Cell:
    """One figure of one row.

    Attributes:
        column: which.
        value: None where there is none.
        text: the figure as people read it, or why there is none.
        uncertainty: "± 0.012", or "".
        corrected: "1.20" to "1.34": what honest counting leaves of a published figure; "" where nothing is corrected.
    """

    column: Column
    value: float | None
    text: str
    uncertainty: str = ""
    corrected: str = ""


@dataclass(frozen=True)
class FigureLine:
    """One figure on the page of a record.

    Attributes:
        label: of the metric.
        text: with its unit.
        corrected: as in a cell.
        meaning: how it is made.
        exact: to the last digit.
    """

    label: str
    text: str
    corrected: str
    meaning: str
    exact: str


def cells_of(row: Row) -> list[Cell]:
    """The figures of a row, in the order of the columns."""
    return [_cell(row, column) for column in COLUMNS]


def figure_lines(row: Row) -> list[FigureLine]:
    """Every figure of a row, in the order of `harness.metrics`."""
    lines = []
    for metric_id, metric in SHOWN.items():
        value = row.figures.get(metric_id)
        if value is None or metric_id in _UNCERTAINTIES:
            continue
        cell = _cell(row, _COLUMN[metric_id]) if metric_id in _COLUMN else None
        title = cell.column.title if cell else metric.label.strip()
        text = f"{cell.text} {cell.uncertainty}".strip() if cell else metric.show(value)
        lines.append(FigureLine(title, text, _range(row, metric_id), metric.meaning, repr(value)))
    return lines


def declared_facts(row: Row) -> list[tuple[str, str, str]]:
    """What somebody typed in: name, value, source."""
    facts = []
    for metric_id, source in (("price_usd", "price_source"), ("peak_power_w", "peak_power_source")):
        value = row.value(metric_id)
        date = f", {row.declared['price_date']}" if metric_id == "price_usd" and "price_date" in row.declared else ""
        if value is not None:
            text = SHOWN[metric_id].show(value)
            facts.append((SHOWN[metric_id].label, text, f"{row.declared.get(source, 'no source given')}{date}"))
    return facts


def data_of(rows: Sequence[Row], record: str, frontier: str = "") -> dict[str, Any]:
    """What the scripts of a page need: columns, axes and rows, as plain data.

    Args:
        rows: of the page.
        record: link to the page of a record, with {id}.
        frontier: address of the rows that stand on the frontier of a longer list; "" where the page has all rows.
    """
    return {
        "columns": [_column(column) for column in COLUMNS],
        "axes": [_column(column) for column in AXES],
        "default_axes": list(DEFAULT_AXES),
        "rows": plotted(rows, record),
        "frontier": frontier,
    }


def plotted(rows: Sequence[Row], record: str) -> list[dict[str, Any]]:
    """Rows as the plots read them."""
    return [_row(row, record) for row in rows]


def _cell(row: Row, column: Column) -> Cell:
    value = row.value(column.id)
    if value is None:
        return Cell(column, None, column.missing)
    u = row.figures.get(column.uncertainty)
    u_text = f"± {written(u, u)}" if u is not None else ""
    return Cell(column, value, figure_text(column, value, u), u_text, _range(row, column.id))


def _range(row: Row, metric_id: str) -> str:
    if metric_id not in row.corrected:
        return ""
    low, high = row.corrected[metric_id]
    if metric_id in _COLUMN and _COLUMN[metric_id].group == "energy":
        step = (high - low) / 10
        return range_text(written(low, step), written(high, step))
    return range_text(SHOWN[metric_id].show(low), SHOWN[metric_id].show(high))


def _column(column: Column) -> dict[str, Any]:
    metric = column.metric
    return {
        "id": column.id,
        "title": column.title,
        "unit": metric.unit,
        "better": metric.better.value,
        "energy": is_energy(column.id),
    }


def _row(row: Row, record: str) -> dict[str, Any]:
    cells = {cell.column.id: cell for cell in (*cells_of(row), *(_cell(row, axis) for axis in AXES))}
    return {
        "id": row.id,
        "href": record.format(id=row.id),
        "model": row.model,
        "system": row.system,
        "label": row.label,
        "name": row.name,
        "kind": row.kind,
        "devices": row.devices,
        "origin": row.origin,
        "verdict": row.verdict,
        "usable": row.verdict in USABLE,
        "virtual": row.virtual,
        "marks": list(row.marks),
        "started": row.started_utc,
        # Rows stand on one frontier where they share this: for energies, and for everything else.
        "basis": row.basis(("ips",)),
        "energy_basis": row.basis(("energy_total_j",)),
        "values": {name: cell.value for name, cell in cells.items() if cell.value is not None},
        "texts": {
            name: f"{cell.text} {cell.uncertainty}".strip() for name, cell in cells.items() if cell.value is not None
        },
        "corrected": {metric: list(limits) for metric, limits in row.corrected.items()},
    }
