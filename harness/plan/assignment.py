"""Who computes what: the stages of a model on the devices of a site (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.models.graph import ModelGraph
from harness.models.split import Split
from harness.partition.paper import named_partition, partition, partition_names
from harness.partition.partition import Partition, Role
from harness.plan.way import Way


@dataclass(frozen=True)
class Stage:
    """A run of layers and its devices.

    Attributes:
        begin: number of the first layer.
        end: number behind the last one.
        parts: into which it is split.
        replicas: for each replica its devices, one for each part, as numbers into the site's devices.
        split: along which axis parts differ; says nothing about one part.
    """

    begin: int
    end: int
    parts: int
    replicas: tuple[tuple[int, ...], ...]
    split: Split = Split.COLUMNS

    @property
    def way(self) -> Way:
        """How it is split."""
        return Way(self.parts, self.split)


@dataclass(frozen=True)
class Assignment:
    """Stages in the order of the model.

    Attributes:
        model: name of the graph.
        stages: they hold every layer once, and every device at most once.
    """

    model: str
    stages: tuple[Stage, ...]

    @property
    def nodes(self) -> int:
        """Devices that compute."""
        return sum(len(stage.replicas) * stage.parts for stage in self.stages)

    @property
    def used(self) -> tuple[int, ...]:
        """The devices that compute, stage by stage, parts of a replica together."""
        return tuple(number for stage in self.stages for replica in stage.replicas for number in replica)


def partition_of(assignment: Assignment, graph: ModelGraph) -> Partition:
    """The partition that an assignment makes, with the paper's names of roles where its cuts are the paper's."""
    names = [layer.name for layer in graph.layers]
    runs = [(tuple(names[stage.begin : stage.end]), stage.way) for stage in assignment.stages]
    titles = next(
        (
            [role.name for role in known.roles]
            for known in map(partition, partition_names())
            if [(role.layers, Way(role.parts, role.split)) for role in known.roles] == runs and known.graph == graph
        ),
        [f"stage{number}" for number in range(1, len(runs) + 1)],
    )
    roles = tuple(
        Role(title, layers, parts=way.parts, replicas=len(stage.replicas), split=way.split)
        for title, (layers, way), stage in zip(titles, runs, assignment.stages, strict=True)
    )
    return named_partition(graph, roles)


def assignment_of(cut: Partition) -> Assignment:
    """A partition, for example a hand-made one of the paper, on the first devices of any site."""
    stages, begin, number = [], 0, 0
    for role in cut.roles:
        replicas = []
        for _ in range(role.replicas):
            replicas.append(tuple(range(number, number + role.parts)))
            number += role.parts
        stages.append(Stage(begin, begin + len(role.layers), role.parts, tuple(replicas), role.split))
        begin += len(role.layers)
    return Assignment(cut.graph.name, tuple(stages))
