"""`iot-farm power`: power analyzers by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from harness.cli.options import json_option


@click.group()
def power() -> None:
    """Look at power analyzers, record with them, and analyze what they recorded.

    \b
    Examples:
      iot-farm power list
      iot-farm power probe TCPIP::192.168.1.20::INSTR
      iot-farm power record TCPIP::192.168.1.20::INSTR --seconds 60 trace.csv
      iot-farm power analyze results/20261121T060256747-alexnet-farm-5-local-f8dd79e4.power.csv
    """


@power.command("list", short_help="The instruments for which there is a profile.")
@json_option
def list_profiles(as_json: bool) -> None:
    """Show the instruments for which there is a profile."""
    from power.profile import shipped_profiles

    profiles = shipped_profiles()
    if as_json:
        keys = ("name", "description", "resource", "update_s", "kind", "scope", "source", "sha256")
        click.echo(json.dumps([{key: getattr(profile, key) for key in keys} for profile in profiles], indent=1))
        return
    for profile in profiles:
        click.echo(f"{profile.name:20} {profile.description} (e.g. {profile.resource})")


@power.command(short_help="Ask an instrument who it is.")
@click.argument("resource")
@json_option
def probe(resource: str, as_json: bool) -> None:
    """Ask the instrument at RESOURCE who it is, set it up, and take one reading."""
    from power.source import open_source

    with _for_users():
        meter = open_source(resource)
        meter.open()
        try:
            info = meter.info
            time.sleep(info.update_s)
            reading = meter.read()
        finally:
            meter.close()
    if as_json:
        document = {"identity": info.identity, "profile": info.profile, "measured": info.measured}
        click.echo(json.dumps({**document, "power_w": reading.power_w}, indent=1))
        return
    click.echo(f"{resource}: {info.identity}")
    click.echo(f"profile: {info.profile or 'none'} ({info.name}), a reading every {info.update_s:g} s")
    click.echo(f"power now: {reading.power_w:.3f} W{'' if info.measured else ' (virtual, not measured)'}")


@power.command(short_help="Record power for some time.")
@click.argument("resource")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True)
def record(resource: str, file: Path, seconds: float) -> None:
    """Record the power that the instrument at RESOURCE shows into FILE (CSV)."""
    from power.sampler import Sampler
    from power.source import open_source
    from power.trace_file import write_trace

    with _for_users(), Sampler(open_source(resource)) as sampler:
        time.sleep(seconds)
        sampler.stop()
        trace = sampler.trace()
        write_trace(file, trace, (), 0)
    good = int(trace.good.sum())
    click.echo(f"{good} good samples of {len(trace)}, written to {file}")


@power.command(short_help="The same energy again from a recorded trace.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def analyze(file: Path, as_json: bool) -> None:
    """Compute the energy of a run again from its trace FILE; exit code 1 when it is INVALID."""
    from harness.bench.energy import energy_metrics
    from harness.cli.report import console, print_energy
    from harness.metrics import METRICS, show
    from power.energy import analyze as analyze_trace
    from power.trace_file import read_trace

    with _for_users():
        recording = read_trace(file)
        energy = analyze_trace(recording.trace, recording.phases, recording.frames)
    document = energy.to_document()
    if as_json:
        click.echo(json.dumps(document, indent=1, allow_nan=False))
    else:
        for name, value in energy_metrics(energy).items():
            console().print(f"{METRICS[name].label:22} {show(name, value)}", highlight=False)
        print_energy(document)
    if energy.status != "VALID":
        click.get_current_context().exit(1)


@contextmanager
def _for_users() -> Iterator[None]:
    """Errors of the meter as those of the command line."""
    from harness.errors import BadInputError, FarmError
    from power.errors import LinkError, PowerError

    try:
        yield
    except LinkError as error:
        raise FarmError(error.message, error.hint) from error
    except PowerError as error:
        raise BadInputError(error.message, error.hint) from error
