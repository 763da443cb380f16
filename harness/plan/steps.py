"""The steps of the exact search: every stage that a plan could have, on every number of devices of each kind (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from harness.plan.cuts import candidate_parts, cut_points
from harness.plan.stage_cost import Cut, NodeCost, StageCost, StageModel, stage_cost

Additive = Literal["shared", "latency", "dynamic"]
"""What adds up over stages: time of what all share, latency of a frame, energy beyond idling."""
Counts = tuple[int, ...]
"""Devices of each kind."""
MOST_STEPS: Final = 60_000
"""Steps of an exact search; a farm that needs more is planned within bounds."""


@dataclass(frozen=True)
class State:
    """Where a chain of stages has come to: the next stage begins at a layer, is split so, and gets so many messages."""

    layer: int
    parts_before: int
    parts: int


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


def count_steps(model: StageModel) -> int:
    """Steps that `steps_of` would make, without making them."""
    sizes = math.prod(len(kind) + 1 for kind in model.site.kinds) - 1
    return sizes * sum(len(cuts) for _, cuts in stages_from(model))


def steps_of(model: StageModel) -> list[Step]:
    """Every stage that could be part of a plan, on every number of devices of each kind that runs it."""
    found = stages_from(model)
    numbers = {state: number for number, (state, _) in enumerate(found)}
    vectors = [v for v in product(*(range(len(kind) + 1) for kind in model.site.kinds)) if any(v)]
    steps: list[Step] = []
    for state, cuts in found:
        for cut in cuts:
            after = State(cut.end, cut.parts, cut.parts_after)
            target = -1 if cut.end == len(model.names) else numbers[after]
            steps += _steps(model, numbers[state], target, cut, vectors)
    return steps


def stages_from(model: StageModel) -> list[tuple[State, list[Cut]]]:
    """Each state, in the order of the layers, with the stages that may begin there."""
    points = cut_points(model.graph)
    most = len(model.site.devices)
    begins: dict[State, None] = {}
    for parts in _parts_from(model, points, 0, most):
        begins[State(0, 1, parts)] = None
    result = []
    for begin in points[:-1]:
        for state in sorted((s for s in begins if s.layer == begin), key=lambda s: (s.parts_before, s.parts)):
            cuts = []
            for end in points:
                if end <= begin or state.parts not in candidate_parts(model.graph, model.names[begin:end]):
                    continue
                following = (1,) if end == points[-1] else _parts_from(model, points, end, most)
                for parts_after in following:
                    cuts.append(Cut(begin, end, state.parts, state.parts_before, parts_after))
                    if end != points[-1]:
                        begins[State(end, state.parts, parts_after)] = None
            result.append((state, cuts))
    return result


def _parts_from(model: StageModel, points: Sequence[int], begin: int, most: int) -> tuple[int, ...]:
    """Into what any stage that begins at a layer can be split, with so many devices."""
    ends = [point for point in points if point > begin]
    found = {parts for end in ends for parts in candidate_parts(model.graph, model.names[begin:end])}
    return tuple(sorted(parts for parts in found if parts <= most))


def _steps(model: StageModel, source: int, target: int, cut: Cut, vectors: Sequence[Counts]) -> Iterable[Step]:
    nodes = [model.node(kind, cut) for kind in range(len(model.site.kinds))]
    ends = [model.sending_s(cut.parts)] if cut.begin == 0 else []
    if target < 0:
        ends.append(model.receiving_s(cut))
    least_s = max(ends, default=0.0)
    hop_s = model.hop_s(cut) + (model.last_hop_s(cut) if target < 0 else 0.0)
    costs: dict[Counts, StageCost] = {}
    for counts in vectors:
        cost = _whole_cost(nodes, counts) if cut.parts == 1 else _split_cost(nodes, counts, cut.parts)
        if cost is None or math.isinf(cost.period_s):
            continue
        costs[counts] = cost
        adds: dict[Additive, float] = {
            "shared": _shared_s(model, cut, cost.busy_s, last=target < 0),
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


def _shared_s(model: StageModel, cut: Cut, busy_s: float, *, last: bool) -> float:
    """What a stage takes of that which all share: a medium, or the cores of one machine."""
    if model.site.network.shared:
        return model.medium_s(cut) + (model.last_medium_s(cut) if last else 0.0)
    if model.site.shared_cores is None:
        return 0.0
    ends_s = model.site.network.message_s * ((cut.parts if cut.begin == 0 else 0) + (cut.parts if last else 0))
    return (busy_s + ends_s) / model.site.shared_cores
