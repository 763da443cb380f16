"""Which addresses belong to this machine."""

from __future__ import annotations

import ipaddress
import socket

import psutil

from harness.errors import BadInputError
from harness.farm.config import Address, FarmConfig


def is_local(address: Address) -> bool:
    """Say whether the address is one of this machine's.

    The whole range 127.0.0.0/8 belongs to every machine; anything else must be on a network interface.

    Raises:
        BadInputError: the host name cannot be resolved.
    """
    ip = resolve(address.host)
    if ipaddress.ip_address(ip).is_loopback:
        return True
    return any(ip == found.address for addresses in psutil.net_if_addrs().values() for found in addresses)


def resolve(host: str) -> str:
    """Turn a host name into its IPv4 address.

    Raises:
        BadInputError: the name has no address.
    """
    try:
        found = socket.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BadInputError(
            f"the host name {host} has no IPv4 address: {error.strerror}", "write the address in the farm file"
        ) from None
    return str(found[0][4][0])


def require_local_initial(farm: FarmConfig) -> None:
    """Make sure that results can come back to this machine.

    Raises:
        BadInputError: `initial` is another machine's address.
    """
    if not is_local(farm.initial):
        raise BadInputError(
            f'"initial" is {farm.initial.host}, which is not an address of this machine',
            f"run this on that machine, or put an address of this one into {farm.source}",
        )
