"""`iot-farm power probe`: the dialogue with an instrument, for whoever connects one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, profiles_option

if TYPE_CHECKING:
    from power.probe import Probe


@click.command(short_help="Ask an instrument who it is, and show the dialogue.")
@click.argument("resource")
@profiles_option
@json_option
def probe(resource: str, profiles: tuple[Path, ...], as_json: bool) -> None:
    """Ask the instrument at RESOURCE who it is, set it up by its profile, and take one reading.

    Line feed, carriage return with line feed, and carriage return are tried as the end of a command.

    \b
    Examples:
      iot-farm power probe TCPIP::192.168.1.20::INSTR
      iot-farm power probe ASRL/dev/ttyUSB0::INSTR
      iot-farm power probe TCPIP::192.168.1.20::5025::SOCKET --power-profile mine.toml
    """
    from harness.bench.energy import meter_errors
    from power.probe import probe as probe_instrument
    from power.probe import probe_meter
    from power.profile import load_profile, shipped_profiles
    from power.source import open_source

    with meter_errors():
        if "::" in resource:
            found = probe_instrument(resource, [load_profile(path) for path in profiles] or shipped_profiles())
        else:
            found = probe_meter(resource, open_source(resource, profiles=profiles))
        if as_json:
            click.echo(json.dumps(found.to_document(), indent=1))
        else:
            _print(found)
        if found.error is not None:
            raise found.error


def _print(found: Probe) -> None:
    for exchange in found.dialogue:
        answer = " · ".join(filter(None, (exchange.received, exchange.problem)))
        click.echo(f"{exchange.sent:22} -> {answer}")
    if found.identity:
        click.echo(f"{found.resource}: {found.identity}")
    info = found.info
    if info is not None:
        range_text = "" if info.range_w is None else f", range {info.range_w:g} W"
        click.echo(f"profile: {info.profile or 'none'} ({info.name}), a reading every {info.update_s:g} s{range_text}")
        if found.reading is not None:
            made_up = "" if info.measured else " (virtual, not measured)"
            click.echo(f"power now: {found.reading.power_w:.3f} W{made_up}")
