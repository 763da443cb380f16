"""Where the keys of a farm lie, and when a farm needs them."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Final

from harness.errors import BadInputError
from harness.farm.config import FarmConfig

KEYS_VARIABLE: Final = "IOT_FARM_KEYS"
"""Environment variable that names the folder of all farms' keys."""
INSECURE_VARIABLE: Final = "IOT_FARM_INSECURE_LAN"
"""Environment variable that does without keys on a network: 1, as `--insecure-lan`."""
CA_FILE: Final = "ca.pem"
CA_KEY_FILE: Final = "ca.key"
CERTIFICATE_FILE: Final = "device.pem"
KEY_FILE: Final = "device.key"
_DEVICES: Final = "devices"
_ENTRY_FILE: Final = "ip"  # of a machine entry of Collective Knowledge: its folder has the name
DEFAULT_DAYS: Final = 730
"""How long certificates hold where nothing is said."""
TLS, LOOPBACK, NONE = "tls", "loopback", "none"


def keys_root() -> Path:
    """Folder of all farms' keys: $IOT_FARM_KEYS, else below the user's settings."""
    root = os.environ.get(KEYS_VARIABLE)
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "iot-farm" / "keys"


def farm_name(farm_file: Path) -> str:
    """What the keys of a farm are filed under: the stem of its JSON file, or the name of its machine entry."""
    name = farm_file.absolute().parent.name if farm_file.name == _ENTRY_FILE else farm_file.stem
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name).lstrip(".") or "_"


def farm_folder(farm: FarmConfig) -> Path:
    """Folder of one farm's keys, there or not."""
    return keys_root() / farm_name(Path(farm.source))


def device_folder(folder: Path, host: str) -> Path:
    """A device's folder in that of its farm: all that the device needs, and its own key only."""
    return folder / _DEVICES / host


def keys_of(farm: FarmConfig, host: str | None = None) -> Path | None:
    """The folder with the keys that this machine shall use in a farm; None where the farm has none here.

    Args:
        farm: the farm.
        host: which of its devices is meant; None stands for the initial, else any whose keys are here.

    Raises:
        BadInputError: the farm has keys here, but none for this device, or they cannot be read.
    """
    folder = farm_folder(farm)
    wanted = hosts(farm) if host is None else (host,)
    try:
        if not (folder / _DEVICES).is_dir():
            return None
        for one in wanted:
            if device_folder(folder, one).is_dir():
                return device_folder(folder, one)
    except PermissionError as error:
        raise BadInputError(
            f"the keys in {folder} cannot be read: {error.strerror}", "IOT_FARM_KEYS names others"
        ) from None
    raise BadInputError(
        f"{folder} holds no keys for {wanted[0]}",
        f"make them where the others were made: iot-farm farm keys {farm.source} --also {wanted[0]}",
    )


def hosts(farm: FarmConfig) -> tuple[str, ...]:
    """The different hosts of a farm, the initial first."""
    addresses = [farm.initial, *(address for found in farm.roles.values() for address in found)]
    return tuple(dict.fromkeys(address.host for address in addresses))


def is_loopback(host: str) -> bool:
    """Whether a host is reached without any network: 127.0.0.0/8, ::1 or localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def authentication(farm: FarmConfig, *others: str) -> str:
    """What keeps strangers out of a farm: "tls", "loopback" or "none".

    Args:
        farm: the farm.
        others: hosts that are used in it beside those of its file.
    """
    if keys_of(farm) is not None:
        return TLS
    return LOOPBACK if all(map(is_loopback, (*hosts(farm), *others))) else NONE


def require_trust(farm: FarmConfig, *others: str, insecure_lan: bool = False) -> None:
    """Make sure that a farm on a network has keys, or that its user wants none.

    Args:
        farm: the farm.
        others: hosts that are used in it beside those of its file.
        insecure_lan: the user wants none; so does $IOT_FARM_INSECURE_LAN=1.

    Raises:
        BadInputError: neither is so.
    """
    if insecure_lan or os.environ.get(INSECURE_VARIABLE, "") not in {"", "0"} or authentication(farm, *others) != NONE:
        return
    host = next(host for host in (*hosts(farm), *others) if not is_loopback(host))
    raise BadInputError(
        f"{host} is an address of a network, and the farm {farm.source} has no keys",
        f"make them: iot-farm farm keys {farm.source}; or do without: --insecure-lan ({INSECURE_VARIABLE}=1)",
    )
