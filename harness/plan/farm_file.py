"""Plans as files: the farm file that commands take, the devices to plan for, and all assignments (pure)."""

from __future__ import annotations

import ipaddress
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from harness.errors import BadInputError
from harness.farm.config import INITIAL, INITIAL_PORT, NODE_PORT, SPARE, Address
from harness.farm.planned_cut import PlannedCut, PlannedRole
from harness.models.graph import ModelGraph
from harness.models.split import Split
from harness.plan.assignment import Assignment, Stage, partition_of
from harness.plan.network import require_bandwidth, shown
from harness.plan.planner import PlanResult
from harness.plan.site import FarmDevice, Site
from harness.profile.profile import MOST_BYTES, Profile
from harness.profile.shipped import profile_called
from harness.records.json_file import read_json

ASSIGNMENTS_FORMAT: Final = "ck-iot-farm assignments"
ASSIGNMENTS_VERSION: Final = 1
MOST_DEVICES: Final = 2_000
"""A plan for so many takes half a minute, and a run's 64 frames in flight keep no more than some seventy busy."""
_LOOPBACK: Final = ipaddress.IPv4Address("127.0.1.1")
_EXAMPLE: Final = '[{"name": "pi1", "profile": "rpi3", "address": "192.168.1.3", "memory_bytes": 500000000}, ...]'
_KEYS: Final = ("name", "profile", "address", "memory_bytes", "bandwidth_bytes_per_s")


def alike(count: int, profile: Profile, memory_bytes: int | None = None) -> list[FarmDevice]:
    """So many devices of one kind on loopback addresses 127.0.1.1, ...; the first one is the initial.

    Raises:
        BadInputError: fewer than two, or more than anybody has.
    """
    if not 2 <= count <= MOST_DEVICES:  # noqa: PLR2004  the initial, and one that computes
        more = f"; for several farms: iot-farm simulate --devices {count}" if count > MOST_DEVICES else ""
        raise BadInputError(
            f"{count} devices cannot be planned as one farm", f"give 2 to {MOST_DEVICES:,}, the initial included{more}"
        )
    memory = profile.device.memory_bytes if memory_bytes is None else memory_bytes
    return [FarmDevice(f"device{number + 1}", profile, memory, loopback(number)) for number in range(count)]


def loopback(number: int) -> Address:
    """A loopback address of its own for every number from 0; number 0 has the initial's port."""
    return Address(str(_LOOPBACK + number), INITIAL_PORT if number == 0 else NODE_PORT)


def read_devices(path: Path, default: Profile) -> list[FarmDevice]:
    """Read the devices to plan for; the first one is the initial.

    Args:
        path: a JSON list of objects, each with any of `name`, `profile` (a shipped name, or a file beside this one),
            `address`, `memory_bytes` and `bandwidth_bytes_per_s`.
        default: profile of devices that name none.

    Raises:
        NotFoundError: the file, or a profile, does not exist.
        BadInputError: it is no such list; the message names the device.
    """
    document = read_json(path, "list of devices", f"give a number, or a file like {_EXAMPLE}")
    if not isinstance(document, list) or not 2 <= len(document) <= MOST_DEVICES:  # noqa: PLR2004
        raise BadInputError(f"{path} is no list of 2 to {MOST_DEVICES:,} devices", f"for example {_EXAMPLE}")
    # Each file is read once: devices of one file are of one kind without a look at all their figures.
    profile = cache(partial(profile_called, near=path.parent))
    devices = [_device(entry, number, path, default, profile) for number, entry in enumerate(document)]
    twice = next((name for name, count in Counter(device.name for device in devices).items() if count > 1), None)
    if twice is not None:
        raise BadInputError(f"{path} names {twice} twice", "every device needs a name of its own")
    return devices


def _device(entry: Any, number: int, path: Path, default: Profile, profile_of: Callable[[str], Profile]) -> FarmDevice:
    where = f"{path}: device {number + 1}"
    if not isinstance(entry, dict) or set(entry) - set(_KEYS):
        raise BadInputError(f"{where} is no object with {', '.join(_KEYS)}", f"for example {_EXAMPLE}")
    for key in ("name", "profile", "address"):
        if not isinstance(entry.get(key, ""), str):
            raise BadInputError(f"{where}: {key} is no text", f"for example {_EXAMPLE}")
    if not (name := entry.get("name", f"device{number + 1}")) or not name.isprintable():
        raise BadInputError(f"{where}: {shown(name)} is no name", "give letters that can be printed")
    profile = profile_of(entry["profile"]) if "profile" in entry else default
    address = loopback(number)
    if "address" in entry:
        try:
            address = Address.parse(entry["address"], address.port)
        except ValueError as error:
            raise BadInputError(f"{where}: {error}", "write HOST or HOST:PORT") from None
    memory, bandwidth = _memory(entry, where, profile), _bandwidth(entry, where)
    return FarmDevice(name, profile, memory, address, bandwidth)


def _memory(entry: dict[str, Any], where: str, profile: Profile) -> int:
    found = entry.get("memory_bytes", profile.device.memory_bytes)
    _require_positive(found, f"{where}: memory_bytes")
    # Here, because a device by itself could not tell the file.
    if found > MOST_BYTES:
        raise BadInputError(f"{where}: memory_bytes is {shown(found)}", f"give 1 to {MOST_BYTES:,}")
    return int(found)


def _bandwidth(entry: dict[str, Any], where: str) -> float | None:
    found = entry.get("bandwidth_bytes_per_s")
    if found is None:
        return None
    _require_positive(found, f"{where}: bandwidth_bytes_per_s")
    require_bandwidth(where, found)
    return float(found)


def _require_positive(value: Any, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise BadInputError(f"{what} is {shown(value)}, no positive number", f"for example {_EXAMPLE}")


def farm_document(graph: ModelGraph, site: Site, assignment: Assignment) -> dict[str, Any]:
    """The farm file of an assignment; devices that are left over stand ready as spares."""
    partition = partition_of(assignment, graph)
    node: dict[str, list[str]] = {INITIAL: [_text(site.initial.address, INITIAL_PORT)]}
    roles = []
    for role, stage in zip(partition.roles, assignment.stages, strict=True):
        numbers = [number for replica in stage.replicas for number in replica]
        node[role.name] = [_text(site.devices[number].address, NODE_PORT) for number in numbers]
        roles.append(PlannedRole(role.name, role.layers[0], role.layers[-1], role.parts, role.replicas, role.split))
    used = set(assignment.used)
    spares = [device for number, device in enumerate(site.devices) if number not in used]
    if spares:
        node[SPARE] = [_text(device.address, NODE_PORT) for device in spares]
    return {"node": node, "partition": PlannedCut(graph.name, tuple(roles)).to_document()}


def assignments_document(result: PlanResult) -> dict[str, Any]:
    """All assignments of a result, for `assignments_from`."""
    names = [layer.name for layer in result.graph.layers]
    return {
        "format": ASSIGNMENTS_FORMAT,
        "version": ASSIGNMENTS_VERSION,
        "model": result.graph.name,
        "digest": result.graph.digest(),
        "objective": result.objective,
        "max_latency_s": result.max_latency_s,
        "network": result.site.network.name,
        "devices": [
            {"name": device.name, "profile": device.profile.name, "address": str(device.address)}
            for device in (result.site.initial, *result.site.devices)
        ],
        "assignments": {
            str(count): {
                "ips": planned.prediction.ips,
                "latency_s": planned.prediction.latency_s,
                "exact": planned.exact,
                "stages": [
                    {
                        "first": names[stage.begin],
                        "last": names[stage.end - 1],
                        "parts": stage.parts,
                        **({"split": stage.split.value} if stage.way.of_convolutions else {}),
                        # Runs of numbers: a thousand plans of a thousand devices would fill a disk.
                        "devices": _runs([number for replica in stage.replicas for number in replica]),
                    }
                    for stage in planned.assignment.stages
                ],
            }
            for count, planned in sorted(result.by_devices.items())
        },
    }


def read_assignments(path: Path, graph: ModelGraph) -> dict[int, Assignment]:
    """Read what `assignments_document` wrote: number of devices, the initial included -> assignment.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it is no file of assignments, or one of another model.
    """
    hint = "write it again: iot-farm plan --assignments FILE"
    document = read_json(path, "file of assignments", hint)
    if not isinstance(document, dict) or (document.get("format"), document.get("version")) != (
        ASSIGNMENTS_FORMAT,
        ASSIGNMENTS_VERSION,
    ):
        raise BadInputError(f"{path} holds no assignments", hint)
    if document.get("digest") != graph.digest():
        raise BadInputError(f"{path} was planned for another {document.get('model')} than {graph.name}", hint)
    names = [layer.name for layer in graph.layers]
    try:
        found = {}
        for count, planned in document["assignments"].items():
            stages = [_stage(stage, names) for stage in planned["stages"]]
            found[int(count)] = Assignment(graph.name, tuple(stages))
            partition_of(found[int(count)], graph)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise BadInputError(f"{path} holds an assignment that cannot be: {error}", hint) from None
    return found


def assignment_for(assignments: dict[int, Assignment], devices: int) -> Assignment:
    """The assignment for so many devices, or for the next smaller number that has one.

    Raises:
        BadInputError: there is none for so few.
    """
    count = max((count for count in assignments if count <= devices), default=None)
    if count is None:
        raise BadInputError(f"no plan for {devices} devices", f"the smallest is for {min(assignments, default=0)}")
    return assignments[count]


def farm_text(document: dict[str, Any]) -> str:
    """A farm file as text, one role a line."""
    # A list of addresses stands on one line, as people write them.
    return re.sub(r"\[[^\[\]{}]*\]", _on_one_line, json.dumps(document, indent=2)) + "\n"


def _on_one_line(found: re.Match[str]) -> str:
    return " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]")


def _stage(stage: dict[str, Any], names: list[str]) -> Stage:
    numbers = [number for first, last in stage["devices"] for number in range(first, last + 1)]
    parts = stage["parts"]
    if parts < 1 or not numbers or len(numbers) % parts:
        raise ValueError(f"{len(numbers)} devices do not make replicas of {parts} parts")
    replicas = tuple(tuple(numbers[at : at + parts]) for at in range(0, len(numbers), parts))
    split = Split(stage.get("split", Split.COLUMNS))
    return Stage(names.index(stage["first"]), names.index(stage["last"]) + 1, parts, replicas, split)


def _runs(numbers: Sequence[int]) -> list[list[int]]:
    """Consecutive numbers as [first, last], in their order."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


def _text(address: Address, port: int) -> str:
    return address.host if address.port == port else str(address)
