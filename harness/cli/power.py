"""`iot-farm power`: power analyzers by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.cli.options import json_option
from harness.cli.power_probe import probe
from harness.cli.power_record import record
from harness.cli.power_report import report


@click.group()
def power() -> None:
    """Look at power analyzers, record with them, analyze what they recorded, and report it.

    \b
    Examples:
      iot-farm power list
      iot-farm power probe TCPIP::192.168.1.20::INSTR
      iot-farm power record TCPIP::192.168.1.20::INSTR trace.csv --seconds 60
      iot-farm power analyze results/20261121T060256747-alexnet-farm-5-local-f8dd79e4.power.csv
      iot-farm power report results
    """


for command in (probe, record, report):
    power.add_command(command)


@power.command("list", short_help="The instruments for which there is a profile.")
@json_option
def list_profiles(as_json: bool) -> None:
    """Show the instruments for which there is a profile.

    \b
    Examples:
      iot-farm power list
      iot-farm power list --json
    """
    from power.profile import shipped_profiles

    profiles = shipped_profiles()
    if as_json:
        keys = ("name", "description", "resource", "update_s", "kind", "scope", "source", "sha256")
        click.echo(json.dumps([{key: getattr(profile, key) for key in keys} for profile in profiles], indent=1))
        return
    for profile in profiles:
        click.echo(f"{profile.name:20} {profile.description} (e.g. {profile.resource})")


@power.command(short_help="The same energy again from a recorded trace.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def analyze(file: Path, as_json: bool) -> None:
    """Compute the energy of a run again from its trace FILE; exit code 1 when it is INVALID.

    \b
    Examples:
      iot-farm power analyze results/20261121T060256747-alexnet-farm-5-local-f8dd79e4.power.csv
      iot-farm power analyze trace.csv --json
    """
    from harness.bench.energy import energy_metrics, meter_errors
    from harness.cli.report import console, print_energy
    from harness.metrics import METRICS, show
    from power.energy import analyze as analyze_trace
    from power.trace_file import read_trace

    with meter_errors():
        recording = read_trace(file)
        energy = analyze_trace(recording.trace, recording.phases, recording.frames, pace=recording.pace)
    document = energy.to_document()
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        for name, value in energy_metrics(energy).items():
            console().print(f"{METRICS[name].label:22} {show(name, value)}", highlight=False)
        print_energy(document)
    if energy.status != "VALID":
        click.get_current_context().exit(1)
