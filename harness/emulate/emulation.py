"""What is imitated: a kind of device by its profile, and the network between such devices (`rpi3+wifi-n`)."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from harness.errors import BadInputError
from harness.plan.network import Network, network_called, network_names
from harness.profile.profile import Profile, profile_document
from harness.profile.shipped import profile_called, shipped_names
from harness.records.canonical import canonical

_LETTERS: Final = 12


@dataclass(frozen=True)
class Emulation:
    """Devices of one kind, and the network between them.

    Attributes:
        profile: seconds, memory and watts of the device.
        network: what messages cost.
        text: as another process can be told of it: paths in it are absolute.
    """

    profile: Profile
    network: Network
    text: str

    @property
    def name(self) -> str:
        """As records tell it: "rpi3+wifi-n", without paths."""
        return f"{self.profile.name}+{self.network.name}"

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits over all its figures: files of one name may hold others."""
        figures = {"profile": profile_document(self.profile), "network": asdict(self.network)}
        # Where a network was read is no figure of it.
        figures["network"].pop("source")
        return hashlib.sha256(canonical(figures)).hexdigest()[:_LETTERS]


def emulation_called(text: str) -> Emulation:
    """Read DEVICE+NETWORK.

    Args:
        text: a shipped profile, or a profile's JSON file; `+`; a network's name, or its JSON file.

    Raises:
        BadInputError: it is no such pair, the network is unknown, or a file is none of its kind.
        NotFoundError: there is no such profile.
    """
    device, plus, network = text.rpartition("+")
    if not plus or not device or not network:
        raise BadInputError(
            f"--emulate {text!r} is not DEVICE+NETWORK",
            f"for example rpi3+wifi-n; devices: {', '.join(shipped_names())}, or a profile's JSON file; "
            f"networks: {', '.join(network_names())}, or a JSON file",
        )
    absolute = "+".join(str(Path(one).resolve()) if _is_file(one) else one for one in (device, network))
    return Emulation(profile_called(device), network_called(network), absolute)


def _is_file(text: str) -> bool:
    return text.endswith(".json") or "/" in text
