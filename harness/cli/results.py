"""`iot-farm results`: what earlier runs left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness.cli.options import json_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--latest", is_flag=True, help="Only the latest run of each model, target, wire and runtime.")
@json_option
def results(folder: Path | None, latest: bool, as_json: bool) -> None:
    """Show the records in FOLDER (default: $IOT_FARM_RESULTS, else ./results), oldest first.

    Each is checked first, as `iot-farm record check` does: its figures are made again from the raw data.

    \b
    Examples:
      iot-farm results
      iot-farm results --latest --json
    """
    from harness.cli.report import print_energies, print_records
    from harness.errors import NotFoundError
    from harness.records.computing import asked_computing
    from harness.records.rules_wire import wire_of
    from harness.records.store import read_records, results_folder

    place = folder or results_folder()
    found = read_records(place)
    if not found:
        raise NotFoundError(f"there is no record in {place}", "iot-farm run makes one")
    if latest:
        newest = {}
        for path, document in found:
            computed = wire_of(document), asked_computing(document["options"])
            newest[document["model"]["name"], document["target"]["name"], *computed] = path, document
        found = list(newest.values())
    if as_json:
        click.echo(json.dumps([{"path": str(path), **document} for path, document in found], indent=1))
    else:
        documents = [_checked(path, document) for path, document in found]
        print_records(documents)
        print_energies(documents)


def _checked(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The record with the verdict and the figures of the checker in place of its own."""
    from harness.records.check import check_file

    audit = check_file(path)
    energy = document["energy"]
    if energy is not None and "energy_total_j" not in audit.figures and energy["status"] == "VALID":
        energy = {**energy, "status": "REFUSED"}
    verdict = {"status": audit.status.value, "reasons": list(audit.reasons), "notes": list(audit.notes)}
    return {**document, "metrics": audit.figures, "verdict": verdict, "energy": energy}
