"""From what a user calls a target to its farm file and plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.plan.plan import Plan


def find_farm(target: str) -> Path:
    """The farm file of a target: a JSON file, or a machine entry of Collective Knowledge.

    Raises:
        NotFoundError: there is none (exit code 16).
    """
    from harness.ck.targets import target_file

    return target_file(target)


def farm_plan(farm_file: Path, *, model_name: str | None, partition: str | None) -> Plan:
    """The plan of a farm file.

    Raises:
        UserError: the file is unusable, or does not fit the partition.
    """
    from harness.farm.config import FarmConfig
    from harness.partition.paper import partition_for
    from harness.plan.plan import make_plan

    farm = FarmConfig.load(farm_file)
    return make_plan(partition_for(farm, model_name=model_name, name=partition), farm)


def target_name(target: str) -> str:
    """A JSON file is called by its stem, a folder and a registered target by their name."""
    path = Path(target).absolute()
    return path.stem if path.suffix == ".json" else path.name
