"""The stages that plans may have, and the states between them (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.models.split import Split
from harness.plan.cuts import cut_points, may_follow
from harness.plan.stage_cost import StageModel
from harness.plan.way import WHOLE, Cut, Reading, Way, reading_of


class State(NamedTuple):
    """Where a chain of stages has come to: the next stage begins at a layer, behind one that is split so."""

    layer: int
    before: Way
    reading: Reading


Stages = list[tuple[State, list[Cut]]]
"""Each state, in the order of the layers, with the stages that may begin there."""


class Edge(NamedTuple):
    """One stage between two states.

    Attributes:
        source: number of the state before.
        target: number of the state after; -1 for the end.
        cut: its layers.
    """

    source: int
    target: int
    cut: Cut


def stages_from(model: StageModel) -> Stages:
    """Every state of a model's plans, with every stage that may begin there."""
    points = cut_points(model.graph)
    readings = {begin: _readings(model, points, begin) for begin in points[:-1]}
    begins = {begin: dict[State, None]() for begin in points[:-1]}
    for reading in readings[0]:
        begins[0][State(0, WHOLE, reading)] = None
    result = []
    for begin in points[:-1]:
        for state in sorted(begins[begin], key=lambda one: (one.before, one.reading)):
            way, cuts = state.reading.way, []
            for end in points:
                if end <= begin or way not in model.ways(begin, end) or state.reading != reading_of(way, end):
                    continue
                following = (Reading(),) if end == points[-1] else readings[end]
                for reading in following:
                    if not may_follow(way, reading.way):
                        continue
                    cut = Cut(begin, end, way, state.before, reading)
                    cuts.append(cut)
                    if end != points[-1]:
                        begins[end][state_after(cut)] = None
            result.append((state, cuts))
    return result


def edges_of(model: StageModel, stages: Stages) -> list[Edge]:
    """The stages one by one, in the order of the states."""
    numbers = {state: number for number, (state, _) in enumerate(stages)}
    last = len(model.names)
    return [
        Edge(numbers[state], -1 if cut.end == last else numbers[state_after(cut)], cut)
        for state, cuts in stages
        for cut in cuts
    ]


def state_after(cut: Cut) -> State:
    """Where a chain has come to behind a stage.

    A stage that is whole takes the same from parts that stand beside one another, whatever their axis.
    """
    summed = cut.way.split is Split.INPUT_CHANNELS
    alike = cut.after.way == WHOLE and not summed
    return State(cut.end, Way(cut.parts) if alike else cut.way, cut.after)


def _readings(model: StageModel, points: Sequence[int], begin: int) -> tuple[Reading, ...]:
    """How any stage that begins at a layer can take its input, with so many devices."""
    most = len(model.site.devices)
    ends = [point for point in points if point > begin]
    found = {reading_of(way, end) for end in ends for way in model.ways(begin, end) if way.parts <= most}
    return tuple(sorted(found))
