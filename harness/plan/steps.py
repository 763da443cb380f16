"""The steps of the exact search: every stage that a plan could have, on every number of devices of each kind (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, NamedTuple

from harness.models.split import Split
from harness.plan.cuts import cut_points, may_follow
from harness.plan.stage_cost import NodeCost, StageCost, StageModel, stage_cost
from harness.plan.way import WHOLE, Cut, Reading, Way, reading_of

Additive = Literal["shared", "latency", "dynamic"]
"""What adds up over stages: time of what all share, latency of a frame, energy beyond idling."""
Counts = tuple[int, ...]
"""Devices of each kind."""
MOST_STEPS: Final = 60_000
"""Steps of an exact search; a farm that needs more is planned within bounds."""


class State(NamedTuple):
    """Where a chain of stages has come to: the next stage begins at a layer, behind one that is split so."""

    layer: int
    before: Way
    reading: Reading


Stages = list[tuple[State, list[Cut]]]
"""Each state, in the order of the layers, with the stages that may begin there."""


@dataclass(frozen=True)
class Step:
    """One stage more: from a state to the next, with devices of each kind.

    Attributes:
        source: number of the state before.
        target: number of the state after; -1 for the end.
        cut: its layers.
        counts: devices of each kind that it takes.
        period_s: of the stage, and of the initial where it is its neighbour.
        adds: what it adds to each sum.
        smaller_s: the shortest of its periods with a replica less; the threshold from which that is enough.
    """

    source: int
    target: int
    cut: Cut
    counts: Counts
    period_s: float
    adds: dict[Additive, float]
    smaller_s: float


def count_steps(model: StageModel, stages: Stages | None = None) -> int:
    """Steps that `steps_of` would make, without making them."""
    sizes = math.prod(len(kind) + 1 for kind in model.site.kinds) - 1
    return sizes * sum(len(cuts) for _, cuts in stages or stages_from(model))


def steps_of(model: StageModel, stages: Stages) -> list[Step]:
    """Every stage that could be part of a plan, on every number of devices of each kind that runs it."""
    numbers = {state: number for number, (state, _) in enumerate(stages)}
    vectors = [v for v in product(*(range(len(kind) + 1) for kind in model.site.kinds)) if any(v)]
    steps: list[Step] = []
    for state, cuts in stages:
        for cut in cuts:
            target = -1 if cut.end == len(model.names) else numbers[state_after(cut)]
            steps += _steps(model, numbers[state], target, cut, vectors)
    return steps


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


def _steps(model: StageModel, source: int, target: int, cut: Cut, vectors: Sequence[Counts]) -> Iterable[Step]:
    nodes = [model.node(kind, cut) for kind in range(len(model.site.kinds))]
    ends = [model.sending_s(cut)] if cut.begin == 0 else []
    if target < 0:
        ends.append(model.receiving_s(cut))
    least_s = max(ends, default=0.0)
    hop_s = model.hop_s(cut) + (model.last_hop_s(cut) if target < 0 else 0.0)
    shared_s, shared_share = _shared(model, cut, last=target < 0)
    costs: dict[Counts, StageCost] = {}
    for counts in vectors:
        cost = _whole_cost(nodes, counts) if cut.parts == 1 else _split_cost(nodes, counts, cut.parts)
        if cost is None or math.isinf(cost.period_s):
            continue
        costs[counts] = cost
        adds: dict[Additive, float] = {
            "shared": shared_s + cost.busy_s * shared_share,
            "latency": cost.latency_s + hop_s,
            "dynamic": math.nan if cost.dynamic_j is None else cost.dynamic_j,
        }
        smaller = [max(costs[fewer].period_s, least_s) for fewer in _fewer(counts, cut.parts) if fewer in costs]
        yield Step(source, target, cut, counts, max(cost.period_s, least_s), adds, min(smaller, default=math.inf))


def _whole_cost(nodes: Sequence[NodeCost], counts: Counts) -> StageCost | None:
    """As `stage_cost`, where every replica is one device: alike devices are taken together."""
    rate = latency = busy = dynamic = 0.0
    for node, count in zip(nodes, counts, strict=True):
        if count:
            if math.isinf(node.period_s):
                return None
            each = count / node.period_s
            rate += each
            latency += each * node.latency_s
            busy += each * node.busy_s
            dynamic += each * (math.nan if node.dynamic_j is None else node.dynamic_j)
    return StageCost(1 / rate, latency / rate, busy / rate, None if math.isnan(dynamic) else dynamic / rate)


def _split_cost(nodes: Sequence[NodeCost], counts: Counts, parts: int) -> StageCost | None:
    replicas = replicas_of(nodes, counts, parts)
    return stage_cost(replicas) if replicas else None


def replicas_of(nodes: Sequence[NodeCost], counts: Counts, parts: int) -> list[list[NodeCost]]:
    """Replicas of the given devices: the quickest ones together, since a replica is as slow as its slowest part."""
    order = sorted(range(len(nodes)), key=lambda kind: (nodes[kind].period_s, kind))
    devices = [nodes[kind] for kind in order for _ in range(counts[kind])]
    if len(devices) % parts:
        return []
    return [devices[begin : begin + parts] for begin in range(0, len(devices), parts)]


def _fewer(counts: Counts, parts: int) -> Iterable[Counts]:
    """The same with a replica less, as far as that can be said without looking at every mixture."""
    for kind, count in enumerate(counts):
        if count >= parts:
            yield (*counts[:kind], count - parts, *counts[kind + 1 :])


def _shared(model: StageModel, cut: Cut, *, last: bool) -> tuple[float, float]:
    """What a stage takes of that which all share, a medium or the cores of one machine: seconds, and of its work."""
    if model.site.network.shared:
        return model.medium_s(cut) + (model.last_medium_s(cut) if last else 0.0), 0.0
    if model.site.shared_cores is None:
        return 0.0, 0.0
    first = model.incoming(cut).messages if cut.begin == 0 else 0
    ends_s = model.site.network.message_s * (first + (model.outgoing(cut).messages if last else 0))
    return ends_s / model.site.shared_cores, 1 / model.site.shared_cores
