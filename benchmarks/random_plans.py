"""Assignments taken at random, which a planner has to be better than."""

from __future__ import annotations

from random import Random

from harness.models.graph import ModelGraph
from harness.plan.assignment import Assignment, Stage
from harness.plan.cuts import candidate_parts, cut_points


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
        parts = [random.choice(candidate_parts(graph, names[begin:end])[:4]) for begin, end in runs]
        left = devices - sum(parts)
        if left < 0:
            continue
        replicas = [1] * len(runs)
        for _ in range(left):
            at = random.randrange(len(runs))
            if parts[at] <= left:
                replicas[at] += 1
                left -= parts[at]
        numbers = iter(range(devices))
        stages = [
            Stage(begin, end, split, tuple(tuple(next(numbers) for _ in range(split)) for _ in range(count)))
            for (begin, end), split, count in zip(runs, parts, replicas, strict=True)
        ]
        return Assignment(graph.name, tuple(stages))
