"""The cuts of the paper by name, and the cut that a farm file asks for.

Source: the artifact's node.py for each system (roles and layers) and its farm files (replicas); the paper's
"4-device" and "8-device" systems do not count the initial, these names do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache

from harness.errors import BadInputError
from harness.farm.config import INITIAL, FarmConfig
from harness.farm.planned_cut import PlannedCut
from harness.models.catalogue import model
from harness.models.graph import ModelGraph
from harness.partition.partition import Partition, Role
from harness.partition.split import Split


@dataclass(frozen=True)
class _Cut:
    """First and last layer of a role, its parts and replicas, and how parts differ."""

    role: str
    first: str
    last: str
    parts: int = 1
    replicas: int = 1
    split: Split = Split.COLUMNS


_PAPER: dict[str, tuple[str, tuple[_Cut, ...]]] = {
    "alexnet-5": (
        "alexnet",
        (
            _Cut("block1", "rescale", "flatten"),
            _Cut("block2", "fc1", "fc1", parts=2),
            _Cut("block3", "fc2", "predictions"),
        ),
    ),
    "alexnet-6": (
        "alexnet",
        (
            _Cut("block1", "rescale", "flatten", replicas=2),
            _Cut("block2", "fc1", "fc1", parts=2),
            _Cut("block3", "fc2", "predictions"),
        ),
    ),
    "vgg16-9": (
        "vgg16",
        (
            _Cut("block1", "rescale", "block1_pool"),
            _Cut("block234", "block2_conv1", "block4_pool", replicas=3),
            _Cut("block5", "block5_conv1", "flatten"),
            _Cut("fc1", "fc1", "fc1", parts=2),
            _Cut("fc2", "fc2", "predictions"),
        ),
    ),
    "vgg16-11": (
        "vgg16",
        (
            _Cut("block12345", "rescale", "flatten", replicas=7),
            _Cut("fc1", "fc1", "fc1", parts=2),
            _Cut("fc2", "fc2", "predictions"),
        ),
    ),
}


def partition_names() -> tuple[str, ...]:
    """Names of the paper's partitions."""
    return tuple(_PAPER)


@cache
def partition(name: str) -> Partition:
    """A partition of the paper by its name.

    Raises:
        BadInputError: there is none of that name.
    """
    if name not in _PAPER:
        raise BadInputError(f"there is no partition '{name}'", f"the paper's are {', '.join(_PAPER)}")
    model_name, cuts = _PAPER[name]
    graph = model(model_name)
    return Partition(name, graph, tuple(_role(graph, cut) for cut in cuts))


def partition_for(farm: FarmConfig, *, model_name: str | None = None, name: str | None = None) -> Partition:
    """The partition that a farm asks for: by the cut that its file carries, or by its roles.

    A named partition must fit the farm exactly. Without a name the cut is recognised by its roles, and the
    number of replicas is taken from the farm, so that a farm may have more devices than the paper's.

    Raises:
        BadInputError: a role is unknown or missing, or has a number of addresses that does not fit; there is no
            such model or partition, or the partition is one of another model.
    """
    if farm.cut is not None:
        return _planned(farm, farm.cut, model_name, name)
    candidates = [partition(name)] if name else [partition(known) for known in _PAPER]
    if model_name:
        model(model_name)
        fitting = [candidate for candidate in candidates if candidate.graph.name == model_name]
        if not fitting:
            raise BadInputError(f"partition {name} is not one of model {model_name}", "leave one of the two out")
        candidates = fitting
    roles = set(farm.node_roles)
    nearest = min(candidates, key=lambda candidate: len(roles ^ {role.name for role in candidate.roles}))
    _check_roles(farm, nearest)
    if name:
        _check_counts(farm, nearest)
        return nearest
    return _with_replicas(farm, nearest)


def _planned(farm: FarmConfig, cut: PlannedCut, model_name: str | None, name: str | None) -> Partition:
    """The cut that a farm file carries."""
    if model_name not in (None, cut.model):
        raise BadInputError(f"farm {farm.source} is planned for {cut.model}, not for {model_name}", "leave --model out")
    graph = model(cut.model)
    names = [layer.name for layer in graph.layers]
    for role in cut.roles:
        for layer in (role.first, role.last):
            if layer not in names:
                raise BadInputError(f"farm {farm.source}: {cut.model} has no layer '{layer}'", f"{', '.join(names)}")
        if names.index(role.first) > names.index(role.last):
            raise BadInputError(
                f"farm {farm.source}: role {role.role} begins behind its end, {role.last}", "turn first and last round"
            )
        if role.split not in set(Split):
            raise BadInputError(
                f"farm {farm.source}: role {role.role} has an unknown split '{role.split}'",
                f"known: {', '.join(Split)}",
            )
    # Collective Knowledge sorts the keys of what it keeps, so their order says nothing.
    ordered = sorted(cut.roles, key=lambda one: names.index(one.first))
    cuts = [_Cut(one.role, one.first, one.last, one.parts, one.replicas, Split(one.split)) for one in ordered]
    roles = tuple(_role(graph, one) for one in cuts)
    try:
        planned = named_partition(graph, roles)
    except ValueError as error:
        raise BadInputError(
            f"farm {farm.source} cuts {cut.model} wrongly: {error}", "plan it again: iot-farm plan"
        ) from None
    if name is not None and name != planned.name:
        raise BadInputError(
            f"farm {farm.source} is planned for another cut than {name}", f"leave --partition out: it is {planned.name}"
        )
    return planned


def named_partition(graph: ModelGraph, roles: tuple[Role, ...]) -> Partition:
    """The paper's partition where it is one; else one whose name tells its layers apart from every other's.

    Raises:
        ValueError: the roles do not hold every layer once, in order, or cannot be split so.
    """
    borders = ",".join(
        f"{role.name}:{role.layers[0]}-{role.layers[-1]}/{role.parts}x{role.replicas}"
        f"{'' if role.split is Split.COLUMNS else role.split}"
        for role in roles
    )
    digest = hashlib.sha256(borders.encode()).hexdigest()[:6]
    planned = Partition(f"{graph.name}-{1 + sum(role.nodes for role in roles)}-planned-{digest}", graph, roles)
    known = (partition(name) for name, (model_name, _) in _PAPER.items() if model_name == graph.name)
    return next((one for one in known if one.roles == roles and one.graph == graph), planned)


def _role(graph: ModelGraph, cut: _Cut) -> Role:
    names = [layer.name for layer in graph.layers]
    layers = tuple(names[names.index(cut.first) : names.index(cut.last) + 1])
    return Role(cut.role, layers, parts=cut.parts, replicas=cut.replicas, split=cut.split)


def _check_roles(farm: FarmConfig, expected: Partition) -> None:
    wanted = [role.name for role in expected.roles]
    hint = f"partition {expected.name} has the roles {', '.join([INITIAL, *wanted])}"
    for role in farm.node_roles:
        if role not in wanted:
            raise BadInputError(f'farm {farm.source} has an unknown role "{role}"', hint)
    for role in wanted:
        if role not in farm.node_roles:
            raise BadInputError(f'farm {farm.source} has no role "{role}"', hint)


def _check_counts(farm: FarmConfig, expected: Partition) -> None:
    for role in expected.roles:
        count = len(farm.node_roles[role.name])
        if count != role.nodes:
            raise BadInputError(
                f'farm {farm.source} has {count} addresses for "{role.name}"',
                f"partition {expected.name} needs {role.nodes}",
            )


def _with_replicas(farm: FarmConfig, cut: Partition) -> Partition:
    roles = []
    for role in cut.roles:
        count = len(farm.node_roles[role.name])
        if count % role.parts:
            raise BadInputError(
                f'farm {farm.source} has {count} addresses for "{role.name}"',
                f"it is cut into {role.parts} parts, so a multiple of {role.parts} is needed",
            )
        roles.append(replace(role, replicas=count // role.parts))
    chosen = tuple(roles)
    for known in _PAPER:
        paper = partition(known)
        if paper.graph == cut.graph and paper.roles == chosen:
            return paper
    counts = "-".join(f"{role.name}x{role.nodes}" for role in chosen)
    return Partition(f"{cut.graph.name}-{farm.devices - len(farm.spares)}-{counts}", cut.graph, chosen)
