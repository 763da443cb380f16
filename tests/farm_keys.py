"""Keys for tests, made as a user makes them."""

from __future__ import annotations

from pathlib import Path

from harness.farm.config import FarmConfig
from harness.farm.key_folder import DEFAULT_DAYS
from harness.farm.keys import make_keys
from harness.rpc.security import Security


def farm_of(*hosts: str, name: str = "trusted") -> FarmConfig:
    """A farm with these hosts, the initial first."""
    return FarmConfig.from_document({"node": {"initial": [hosts[0]], "block1": list(hosts[1:])}}, f"{name}.json")


def made_keys(root: Path, *hosts: str, days: float = DEFAULT_DAYS) -> dict[str, Security]:
    """New keys of a farm with these hosts, loaded."""
    made = make_keys(farm_of(*hosts), root=root, days=days)
    return {host: Security.load(folder) for host, folder in made.devices.items()}
