"""`iot-farm farm keys`: the keys with which the devices of a farm know each other."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.farm.key_folder import DEFAULT_DAYS

if TYPE_CHECKING:
    from harness.farm.keys import MadeKeys

_REMOTE = ".config/iot-farm/keys"
"""Where a device looks for keys, seen from its user's home."""


@click.command(short_help="Make the keys of a farm's devices.")
@click.argument("target")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder of all farms' keys [default: $IOT_FARM_KEYS, else ~/.config/iot-farm/keys].",
)
@click.option(
    "--days", type=click.IntRange(1, 3650), default=DEFAULT_DAYS, show_default=True, help="How long they hold."
)
@click.option("--also", multiple=True, metavar="HOST", help="A device that may join, and is not in the farm file.")
@click.option("--force", is_flag=True, help="Make all keys anew; every device then needs its new folder.")
def keys(target: str, out: Path | None, days: int, also: tuple[str, ...], force: bool) -> None:
    """Make an authority for TARGET and a certificate for each of its devices; nodes and runs then use them.

    Type it once, on the machine named `initial`, and copy to each device its own folder; what is to be typed is
    printed. When the farm has keys already, only devices without any get theirs. With keys every connection is
    mutual TLS 1.3: docs/security.md says what that is worth.

    \b
    Examples:
      iot-farm farm keys farm-5.json
      iot-farm farm keys farm-5.json --days 90 --force
      iot-farm farm keys farm-5.json --also 192.168.1.9
    """
    from harness.cli.targets import find_farm
    from harness.errors import BadInputError
    from harness.farm.config import NODE_PORT, Address, FarmConfig
    from harness.farm.keys import make_keys

    farm = FarmConfig.load(find_farm(target))
    try:
        others = [Address.parse(host, NODE_PORT).host for host in also]
    except ValueError as error:
        raise BadInputError(f"--also: {error}", "write HOST") from None
    made = make_keys(farm, *others, root=out, days=days, force=force)
    click.echo(
        f"keys of {made.folder.name} for {len(made.devices)} devices, until {made.until:%Y-%m-%d}: {made.folder}"
    )
    _tell_what_to_copy(made)
    if out is not None:
        click.echo(f"they are used where the environment says IOT_FARM_KEYS={out.absolute()}")


def _tell_what_to_copy(made: MadeKeys) -> None:
    elsewhere = {host: folder for host, folder in made.devices.items() if not _is_here(host)}
    if not elsewhere:
        click.echo("every device is on this machine: there is nothing to copy")
        return
    place = f"{_REMOTE}/{made.folder.name}/devices"
    click.echo("each device needs its own folder, and no other:")
    for host, folder in elsewhere.items():
        click.echo(f"  ssh {host} mkdir -p {place} && scp -pr {shlex.quote(str(folder))} {host}:{place}/")


def _is_here(host: str) -> bool:
    from harness.errors import BadInputError
    from harness.farm.config import NODE_PORT, Address
    from harness.farm.local import is_local

    try:
        return is_local(Address(host, NODE_PORT))
    except BadInputError:  # a name that this machine cannot resolve is not its own
        return False
