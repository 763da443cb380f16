"""Nodes that claim to be honest, in a real farm on loopback addresses: does a VALID record come out of it?"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.records.canonical import canonical
from harness.records.check import Audit, check_file
from harness.records.manifest import seal
from harness.records.store import read_record

LIES: Final = {
    "flip": "flipped float",
    "swap": "swapped halves",
    "stale": "cached answer",
    "zero": "zeros",
    "skip": "skipped frames",
}
"""Lie of `tests/farm/lying_node.py` -> what it is called."""
HONEST: Final = "honest"
FRAMES: Final = 20
STALL_S: Final = 5
_TESTS: Final = Path(__file__).resolve().parents[2] / "tests"


@dataclass(frozen=True)
class Told:
    """What became of one farm.

    Attributes:
        name: the lie, or "honest".
        exit_code: of `iot-farm run`: 0 valid, 1 measured and not valid, 3 the farm failed.
        status: what the checker says of the record.
        forged: what it says after somebody wrote VALID over the run's own verdict and sealed the record anew.
        why: the first reason.
    """

    name: str
    exit_code: int
    status: str
    forged: str
    why: str

    @property
    def passes(self) -> bool:
        """Is there a VALID record, as it was filed or with a forged verdict?"""
        return self.exit_code == 0 or "VALID" in {self.status, self.forged}


def run_farms(folder: Path) -> list[Told]:
    """Start the five AlexNet nodes, run a benchmark on them, and again with each lie in the place of the last one.

    Args:
        folder: empty; takes farm file, state and records.
    """
    with _module("farms").running_farm(folder, "alexnet-5") as farm:
        return [run_farm(farm, folder / lie, lie) for lie in (HONEST, *LIES)]


def run_farm(farm: Any, folder: Path, lie: str) -> Told:
    """Let the last node lie (it is gone afterwards), run a benchmark, and check what it filed.

    Args:
        farm: AlexNet on five nodes that are up.
        folder: takes the records.
        lie: one of `LIES`, or `HONEST`.
    """
    results = folder / "results"
    farm = replace(farm, environment={**farm.environment, "IOT_FARM_RESULTS": str(results)})
    if lie == HONEST:
        done = _run(farm)
    else:
        with _module("liars").liar(farm, farm.document()["block3"][0], lie):
            done = _run(farm)
    (path,) = results.glob("*.json")
    audit, forged = check_file(path), _forged(path)
    why = next(iter(forged.reasons), "")
    return Told(lie, done.returncode, audit.status.value, forged.status.value, why)


def _run(farm: Any) -> Any:
    options = ("--frames", str(FRAMES), "--warmup", "0", "--stall", str(STALL_S))
    return farm.command("run", "--target", str(farm.file), *options)


def _forged(path: Path) -> Audit:
    """The same record by a liar who controls the file too, though not the frames."""
    document = read_record(path)
    document["verdict"] |= {"status": "VALID", "reasons": [], "broken_off": ""}
    forged = path.parent / "forged" / path.name
    forged.parent.mkdir()
    forged.write_bytes(canonical(seal(document)))
    return check_file(forged)


def _module(name: str) -> Any:
    if str(_TESTS) not in sys.path:
        sys.path.append(str(_TESTS))
    return importlib.import_module(name)
