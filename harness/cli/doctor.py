"""`iot-farm doctor`: is this machine ready, and is that farm?"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from harness.cli.options import json_option


@click.command()
@click.option("--target", metavar="NAME|FILE", help="Check this farm's nodes and ways too.")
@click.option("--partition", metavar="NAME", help="The paper's name of the farm's cut.")
@json_option
def doctor(target: str | None, partition: str | None, as_json: bool) -> None:
    """Check this machine and, with --target, every node of a farm; say why and how to mend it.

    Exit code 1 when something is not well.

    \b
    Examples:
      iot-farm doctor
      iot-farm doctor --target farm-5-local
    """
    from harness.cli.targets import farm_plan, find_farm
    from harness.doctor import check_farm, check_machine

    checks = list(check_machine())
    if target is not None:
        checks += check_farm(farm_plan(find_farm(target), model_name=None, partition=partition))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=1))
    else:
        for check in checks:
            click.echo(f"{check.mark()} {check.name}: {check.found}")
            if check.ok is not True and check.why:
                click.echo(f"      why: {check.why}")
            if check.fix:
                click.echo(f"      fix: {check.fix}")
    if any(check.ok is False for check in checks):
        click.get_current_context().exit(1)
