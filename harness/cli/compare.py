"""`iot-farm compare`: how many times, how sure, and where there is no difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option

if TYPE_CHECKING:
    from harness.records.compare import Compared, Table

_PATH = click.Path(path_type=Path)


@click.command(short_help="Compare runs: ratio, confidence interval, no difference where there is none.")
@click.argument("systems", nargs=-1, type=_PATH, metavar="A B...")
@click.option("--reference", type=_PATH, metavar="A", help="The one that the others are held against [default: first].")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="ips, latency_p50_s, energy_total_j, ...")
@click.option("--all", "every", is_flag=True, help="Also runs that are INVALID or INCOMPLETE; the result says so.")
@click.option("--markdown", is_flag=True, help="Print tables for a README or an issue.")
@json_option
def compare(
    systems: tuple[Path, ...],
    reference: Path | None,
    metrics: tuple[str, ...],
    every: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Compare two systems or more. Each is a record, or a folder with repetitions of one system.

    Intervals are 95 %, from batches of frames within one run, or from the scatter of the runs in a folder. Where an
    interval holds 1 there is no difference to be seen. docs/compare.md says how.

    \b
    Examples:
      iot-farm compare results/before results/after
      iot-farm compare farm-5.json farm-6.json host.json --reference host.json --metric ips
      iot-farm compare A.json B.json --metric energy_total_j --json
    """
    from harness.records.compare import compare as compare_systems
    from harness.records.contestants import read_systems

    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    paths = list(systems)
    if reference is not None and reference.resolve() not in [path.resolve() for path in paths]:
        paths.insert(0, reference)
    at = 0 if reference is None else [path.resolve() for path in paths].index(reference.resolve())
    found = compare_systems(read_systems(paths), reference=at, metrics=metrics, every=every)
    if as_json:
        click.echo(json.dumps(_document(found), indent=1, allow_nan=False))
    else:
        _print(found, markdown=markdown)


def _print(found: Compared, *, markdown: bool) -> None:
    from harness.cli.report import console

    for table in found.tables:
        if markdown:
            click.echo(_markdown(table))
        else:
            console().print(_grid(table))
            if len(table.cells) == 2:  # noqa: PLR2004
                click.echo(_sentence(table))
        click.echo()
    for warning in found.warnings:
        click.echo(f"- {_cell(warning)}" if markdown else f"note: {warning}")


def _title(table: Table) -> str:
    from harness.metrics import METRICS

    metric = METRICS[table.metric]
    return f"{metric.label.strip()} ({metric.unit}): {metric.meaning}"


def _rows(table: Table) -> list[tuple[str, str, str, str]]:
    from harness.records.compare import with_half_width

    return [(cell.label, with_half_width(table.metric, cell.figure), cell.words, cell.mark) for cell in table.cells]


def _grid(table: Table) -> Any:
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(title=Text(_title(table)), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column("system", overflow="fold")
    grid.add_column("figure, 95 %", justify="right", no_wrap=True)
    grid.add_column("against the reference", overflow="fold")
    grid.add_column("")
    for row in _rows(table):
        # Text, not markup: names come from records.
        grid.add_row(*(Text(text) for text in row))
    return grid


def _sentence(table: Table) -> str:
    reference, other = sorted(table.cells, key=lambda cell: cell.ratio is not None)
    joint = "than" if other.ratio and other.ratio.different else "from"
    return f"{other.label}: {other.words} {joint} {reference.label}"


def _markdown(table: Table) -> str:
    lines = [
        f"**{_cell(_title(table))}**",
        "",
        "| system | figure, 95 % | against the reference | |",
        "|---|---:|---|---|",
    ]
    lines += [f"| {' | '.join(_cell(text) for text in row)} |" for row in _rows(table)]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text from a record as nothing but text: Markdown would take `<`, `|`, `[` and others for more."""
    shown = "".join(f"\\{character}" if character in "\\`*_[]|~" else character for character in text)
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _document(found: Compared) -> dict[str, Any]:
    return {
        "reference": found.reference,
        "confidence": 0.95,
        "warnings": list(found.warnings),
        "metrics": {
            table.metric: [
                {
                    "system": cell.label,
                    "value": cell.figure.value,
                    "relative_standard_error": cell.figure.log_se,
                    "basis": cell.figure.basis,
                    "ratio": cell.ratio.value if cell.ratio else None,
                    "ratio_low": cell.ratio.low if cell.ratio else None,
                    "ratio_high": cell.ratio.high if cell.ratio else None,
                    "different": cell.ratio.different if cell.ratio else None,
                    "mark": cell.mark,
                    "words": cell.words,
                }
                for cell in table.cells
            ]
            for table in found.tables
        },
    }
