"""`iot-farm power report`: the energy of runs on one page, with figures, table and document."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.cli.options import json_option


@click.command(short_help="One page with the energy of runs, and figures for a paper.")
@click.argument("records", nargs=-1, type=click.Path(path_type=Path), metavar="[RECORD.json|FOLDER]...")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the report.", metavar="FOLDER")
@click.option("--title", metavar="TEXT", help="Title of the page.")
@click.option("--latest", is_flag=True, help="Only the latest run of each model and target.")
@json_option
def report(records: tuple[Path, ...], out: Path | None, title: str | None, latest: bool, as_json: bool) -> None:
    """Report the energy of the runs in RECORDs (default: $IOT_FARM_RESULTS, else ./results).

    Every figure is made again from the trace beside its record first; where the two disagree, or the trace is gone,
    the figures are not printed and the exit code is 1. The report (energy.html, .json, .csv and SVG files) goes into
    `energy-report` beside the records.

    \b
    Examples:
      iot-farm power report
      iot-farm power report results --latest --title "Our farm on the bench"
      iot-farm power report results/20261121T060256747-alexnet-farm-5-local-f8dd79e4.json --out /tmp/report
    """
    from harness.cli.report import console
    from harness.records.store import results_folder
    from harness.report.energy_report import DEFAULT_TITLE, make_report
    from harness.report.systems import State

    made = make_report(records or (results_folder(),), out=out, title=title or DEFAULT_TITLE, latest=latest)
    if as_json:
        click.echo(json.dumps({"page": str(made.page), **made.document}, indent=1, allow_nan=False))
    else:
        screen = console()
        for system in made.systems:
            word = f"{system.state.value}{', virtual' if system.virtual else ''}"
            screen.print(f"{system.model} on {system.label}: {word}", highlight=False, markup=False)
            for reason in system.all_reasons:
                screen.print(f"  - {reason}", highlight=False, markup=False)
        click.echo(f"energy report: {made.page}")
    if made.count(State.REFUSED):
        click.get_current_context().exit(1)
