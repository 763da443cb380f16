"""What messages cost between devices: links of their own, or a medium that all share (pure)."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import BadInputError
from harness.records.json_file import read_json

_SHORT: Final = reprlib.Repr()
LEAST_BANDWIDTH: Final = 1.0
"""Bytes per second: with less no frame would ever arrive."""
MOST_BANDWIDTH: Final = 1e15
MOST_LATENCY_S: Final = 3600.0


def shown(value: object) -> str:
    """A figure of a file for a message, its middle left out where it is long."""
    return _SHORT.repr(value)


def require_bandwidth(who: str, bandwidth_bytes_per_s: float) -> None:
    """A bandwidth that a network may have.

    Raises:
        BadInputError: it is zero, negative, no number, or beyond any network; the message begins with `who`.
    """
    if not LEAST_BANDWIDTH <= bandwidth_bytes_per_s <= MOST_BANDWIDTH:
        raise BadInputError(
            f"{who} has a bandwidth of {shown(bandwidth_bytes_per_s)} bytes/s",
            f"give {LEAST_BANDWIDTH:g} to {MOST_BANDWIDTH:g}: with less no frame would ever arrive",
        )


@dataclass(frozen=True)
class Network:
    """A network of devices.

    Attributes:
        name: as users type it.
        bandwidth_bytes_per_s: of each device's link in each direction; of all together where the medium is shared.
        latency_s: of every message, beside the time of its bytes.
        message_s: processor time at either end for every message.
        shared: whether all devices share one medium, as in WiFi.
        source: where the figures come from.

    Raises:
        BadInputError: a figure is negative, no number, or beyond what a network has; or the bandwidth is zero.
    """

    name: str
    bandwidth_bytes_per_s: float
    latency_s: float
    message_s: float
    shared: bool
    source: str

    def __post_init__(self) -> None:
        require_bandwidth(f"network {self.name}", self.bandwidth_bytes_per_s)
        for field in ("latency_s", "message_s"):
            if not 0 <= getattr(self, field) <= MOST_LATENCY_S:
                raise BadInputError(
                    f"network {self.name}: {field} is {shown(getattr(self, field))}",
                    f"give seconds, 0 to {MOST_LATENCY_S:g}",
                )


_NETWORKS: Final = (
    Network(
        "loopback",
        bandwidth_bytes_per_s=3.3e9,
        latency_s=0.00014,
        message_s=0.000065,
        shared=False,
        source="`python -m benchmarks --only hop` on two cores of a server: 7,019 messages of 25 kB per second with 65 "
        "microseconds of processor time at either end, and 3.3 GB/s in messages of 3.2 MB",
    ),
    Network(
        "ethernet-100",
        bandwidth_bytes_per_s=12.5e6,
        latency_s=0.001,
        message_s=0.000065,
        shared=False,
        source="100 Mbit/s nominal through a switch; 1 ms of latency is assumed; message cost as on loopback",
    ),
    Network(
        "wifi-n",
        bandwidth_bytes_per_s=37.5e6,
        latency_s=0.080,
        message_s=0.0,
        shared=True,
        source="the paper's router: 802.11n, 2.4 GHz, 300 Mbit/s nominal, shared by all; a request from Pi to Pi took "
        "75 to 85 ms (parallel-ml/fc), all of which counts as latency, since nothing says what of it is work",
    ),
    Network(
        "wifi-pi",
        bandwidth_bytes_per_s=2.78e6,
        latency_s=0.080,
        message_s=0.0,
        shared=True,
        source="as wifi-n, at the pace that a Raspberry Pi gets: 44.5 Mbit/s of TCP over 802.11n with a strong signal "
        "(J. Geerling, Getting Gigabit Networking on a Raspberry Pi 2, 3 and B+); from Pi to Pi a message passes the "
        "air twice, by way of the router",
    ),
)
_FIELDS: Final = ("bandwidth_bytes_per_s", "latency_s", "message_s", "shared")


def network_names() -> tuple[str, ...]:
    """Networks that can be called by name."""
    return tuple(network.name for network in _NETWORKS)


def network_called(name: str) -> Network:
    """A network by its name, or of a JSON file with `bandwidth_bytes_per_s`, `latency_s`, `message_s` and `shared`.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: there is no such network, or the file is none.
    """
    for network in _NETWORKS:
        if network.name == name:
            return network
    if not name.endswith(".json"):
        raise BadInputError(f"unknown network '{name}'", f"choose {', '.join(network_names())}, or name a JSON file")
    hint = 'for example {"bandwidth_bytes_per_s": 5e6, "latency_s": 0.01, "message_s": 0.0, "shared": true}'
    document = read_json(Path(name), "network", hint)
    if not isinstance(document, dict) or set(document) != set(_FIELDS) or not isinstance(document["shared"], bool):
        raise BadInputError(f"network {name} needs exactly {', '.join(_FIELDS)}", hint)
    numbers = {field: document[field] for field in _FIELDS if field != "shared"}
    for field, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInputError(f"network {name}: {field} is no number", hint)
    stem = Path(name).stem
    return Network(stem if stem.isprintable() else repr(stem), **numbers, shared=document["shared"], source=name)
