"""Assignments taken at random, which a planner has to be better than."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

from harness.models.graph import ModelGraph
from harness.plan.assignment import Assignment, Stage
from harness.plan.cuts import candidate_ways, cut_points, may_follow
from harness.plan.way import Way

_COLUMNS = 4


def random_assignment(graph: ModelGraph, devices: int, random: Random) -> Assignment:
    """Any cuts, parts and replicas on at most so many devices.

    Args:
        graph: the model.
        devices: that compute, all alike.
        random: decides.
    """
    points = cut_points(graph)
    names = [layer.name for layer in graph.layers]
    while True:
        borders = sorted(random.sample(points[1:-1], random.randint(0, min(devices - 1, len(points) - 2))))
        runs = list(zip([0, *borders], [*borders, points[-1]], strict=True))
        ways = [random.choice(_few(candidate_ways(graph, names[begin:end]))) for begin, end in runs]
        parts = [way.parts for way in ways]
        left = devices - sum(parts)
        if left < 0 or not all(may_follow(*pair) for pair in pairwise(ways)):
            continue
        replicas = [1] * len(runs)
        for _ in range(left):
            at = random.randrange(len(runs))
            if parts[at] <= left:
                replicas[at] += 1
                left -= parts[at]
        numbers = iter(range(devices))
        held = [
            tuple(tuple(next(numbers) for _ in range(way.parts)) for _ in range(count))
            for way, count in zip(ways, replicas, strict=True)
        ]
        stages = [
            Stage(begin, end, way.parts, devices_of, way.split)
            for (begin, end), way, devices_of in zip(runs, ways, held, strict=True)
        ]
        return Assignment(graph.name, tuple(stages))


def _few(ways: Sequence[Way]) -> list[Way]:
    """Four numbers of columns at most, and every split of convolutions."""
    return [way for number, way in enumerate(ways) if way.of_convolutions or number < _COLUMNS]
