"""The cuts of the paper by name, and the cut that a farm file asks for.

Source: the artifact's node.py for each system (roles and layers) and its farm files (replicas); the paper's
"4-device" and "8-device" systems do not count the initial, these names do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

from harness.errors import BadInputError
from harness.farm.config import INITIAL, FarmConfig
from harness.farm.cut import FarmCut
from harness.models.catalogue import model
from harness.models.graph import ModelGraph
from harness.partition.partition import Partition, Role
from harness.partition.split import Split


@dataclass(frozen=True)
class _Cut:
    """First and last layer of a role, its parts and replicas."""

    role: str
    first: str
    last: str
    parts: int = 1
    replicas: int = 1


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
    """The partition that a farm asks for: the one that its file tells, else the paper's with its roles.

    A named partition must fit the farm exactly. Without a name the cut is recognised by its roles, and the
    number of replicas is taken from the farm, so that a farm may have more devices than the paper's.

    Raises:
        BadInputError: a role is unknown or missing, or has a number of addresses that does not fit; there is no
            such model or partition, or the partition is one of another model.
    """
    if farm.cut is not None and name is None:
        return _told(farm, farm.cut, model_name)
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


def _told(farm: FarmConfig, told: FarmCut, model_name: str | None) -> Partition:
    """The cut that stands in the farm file."""
    about = f'farm {farm.source}: "partition"'
    if model_name not in {None, told.model}:
        raise BadInputError(f"{about} is one of model {told.model}, not of {model_name}", "leave the model out")
    graph = model(told.model)
    names = [layer.name for layer in graph.layers]
    roles = []
    for name, one in told.roles.items():
        for layer in (one.first, one.last):
            if layer not in names:
                raise BadInputError(f"{about}: {graph.name} has no layer {layer}", f"see iot-farm model {graph.name}")
        if one.split not in list(Split):
            raise BadInputError(f"{about}: role {name} has an unknown split {one.split}", f"known: {', '.join(Split)}")
        layers = tuple(names[names.index(one.first) : names.index(one.last) + 1])
        roles.append(Role(name, layers, one.parts, one.replicas or 1, Split(one.split)))
    try:
        cut = Partition("told", graph, tuple(roles))
    except ValueError as error:
        reason = str(error).removeprefix("partition told: ")
        raise BadInputError(
            f"{about} cannot be: {reason}", "roles stand in the order of the layers, each layer once"
        ) from None
    _check_roles(farm, cut)
    found = _with_replicas(farm, cut)
    for role in found.roles:
        if told.roles[role.name].replicas not in {None, role.replicas}:
            raise BadInputError(
                f'farm {farm.source} has {role.nodes} addresses for "{role.name}"',
                f"its partition tells {told.roles[role.name].replicas} replicas of {role.parts} parts",
            )
    return found


def _role(graph: ModelGraph, cut: _Cut) -> Role:
    names = [layer.name for layer in graph.layers]
    layers = tuple(names[names.index(cut.first) : names.index(cut.last) + 1])
    return Role(cut.role, layers, parts=cut.parts, replicas=cut.replicas)


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
    devices = f"{cut.graph.name}-{farm.devices - len(farm.spares)}"
    if farm.cut is None:
        return Partition(f"{devices}-{counts}", cut.graph, chosen)
    # Names and counts do not say which layers a role of a cut of its own computes, and how it is split.
    about = repr([(role.name, role.layers, role.parts, role.replicas, role.split.value) for role in chosen])
    return Partition(f"{devices}-cut-{sha256(about.encode()).hexdigest()[:8]}", cut.graph, chosen)
