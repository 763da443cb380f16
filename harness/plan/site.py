"""What a plan is made for: devices with their profiles, and the network between them (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.errors import BadInputError
from harness.farm.config import Address
from harness.plan.network import Network, require_bandwidth, shown
from harness.profile.profile import MOST_BYTES, Profile


@dataclass(frozen=True)
class FarmDevice:
    """One device.

    Attributes:
        name: as people call it.
        profile: what it needs for layers.
        memory_bytes: of this very device.
        address: where its node listens.
        bandwidth_bytes_per_s: of its link where that is another than the network's; None is the network's.

    Raises:
        BadInputError: memory or bandwidth is not positive, or beyond what a device has.
    """

    name: str
    profile: Profile
    memory_bytes: int
    address: Address
    bandwidth_bytes_per_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.memory_bytes <= MOST_BYTES:
            raise BadInputError(
                f"device {self.name} has {shown(self.memory_bytes)} bytes of memory",
                f"give 1 to {MOST_BYTES:,}",
            )
        if self.bandwidth_bytes_per_s is not None:
            require_bandwidth(f"device {self.name}", self.bandwidth_bytes_per_s)

    def like(self, other: FarmDevice) -> bool:
        """Whether it makes no difference which of the two computes something."""
        return (
            self.memory_bytes == other.memory_bytes
            and self.bandwidth_bytes_per_s == other.bandwidth_bytes_per_s
            and (self.profile is other.profile or self.profile == other.profile)
        )


@dataclass(frozen=True)
class Site:
    """Devices and their network.

    Attributes:
        initial: the source and sink; it computes no layer.
        devices: all others, in the order in which they are taken.
        network: between them.
        shared_cores: cores of the one machine whose processes all devices are; None for machines of their own.

    Raises:
        BadInputError: there is no device beside the initial, or two share an address.
    """

    initial: FarmDevice
    devices: tuple[FarmDevice, ...]
    network: Network
    shared_cores: int | None = None

    def __post_init__(self) -> None:
        if not self.devices:
            raise BadInputError("1 device is no farm: it would be the initial alone", "give 2 or more")
        seen: dict[Address, str] = {}
        for device in (self.initial, *self.devices):
            if device.address in seen:
                raise BadInputError(
                    f"devices {seen[device.address]} and {device.name} share the address {device.address}",
                    "every device needs an address or a port of its own",
                )
            seen[device.address] = device.name

    @cached_property
    def kinds(self) -> tuple[tuple[int, ...], ...]:
        """Devices that are alike, as numbers into `devices`; the kind of the first device first."""
        kinds: list[list[int]] = []
        for number, device in enumerate(self.devices):
            for kind in kinds:
                if self.devices[kind[0]].like(device):
                    kind.append(number)
                    break
            else:
                kinds.append([number])
        return tuple(tuple(kind) for kind in kinds)

    def bandwidth_of(self, device: FarmDevice) -> float:
        """Bytes per second of a device's link in one direction."""
        return device.bandwidth_bytes_per_s or self.network.bandwidth_bytes_per_s

    def first(self, count: int) -> Site:
        """The same with its first devices only, `count` with the initial."""
        return Site(self.initial, self.devices[: count - 1], self.network, self.shared_cores)
