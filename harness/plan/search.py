"""The best assignment, found exactly: dynamic programming over cuts, parts, and devices of each kind (pure).

A plan's pace is set by its slowest stage, so the search looks at every period that any stage can have as a threshold:
among plans whose stages all keep to it, the one that is least in what adds up over stages (time on a shared medium,
latency, or energy) is found stage by stage. All thresholds go through the same steps side by side, in NumPy. Where
there are too many of them, they are narrowed down in rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from harness.plan.assignment import Assignment, Stage
from harness.plan.cuts import candidate_parts, cut_points
from harness.plan.stage_cost import Cut, NodeCost, StageCost, StageModel, stage_cost

Additive = Literal["shared", "latency", "dynamic"]
MOST_STEPS: Final = 60_000
"""Steps of an exact search; a farm that needs more is planned within bounds."""
_MOST_CELLS: Final = 40_000_000
_IMPROVED: Final = 1e-12
_ROUND: Final = 24
_SHORT_ROUND: Final = 8

Accept = Callable[[int, float, float], bool]
Counts = tuple[int, ...]
"""Devices of each kind."""
Floats = npt.NDArray[np.float64]


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


@dataclass(frozen=True)
class Found:
    """A plan, and what the search knows of it.

    Attributes:
        assignment: on the first devices of each kind.
        counts: devices of each kind that it takes.
        threshold_s: longest period of its stages.
        total: of the sum that was minimised.
    """

    assignment: Assignment
    counts: Counts
    threshold_s: float
    total: float


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


class Search:
    """Exact plans of one model at one site.

    Args:
        model: costs of stages; its site is searched.
    """

    def __init__(self, model: StageModel) -> None:
        self.model = model
        self.steps = steps_of(model)
        self.sizes = tuple(len(kind) for kind in model.site.kinds)
        self.thresholds_s: Floats = np.unique([step.period_s for step in self.steps])
        self._periods_s = np.array([step.period_s for step in self.steps])
        self._smaller_s = np.array([step.smaller_s for step in self.steps])
        self._states = [state for state, _ in stages_from(model)]

    @property
    def most_thresholds(self) -> int:
        """Thresholds that can be looked at side by side."""
        return max(2, _MOST_CELLS // (len(self._states) * math.prod(size + 1 for size in self.sizes)))

    def prunes(self, additive: Additive) -> bool:
        """Whether no further replica makes a sum smaller: then those that just keep to a threshold will do.

        The mean latency of replicas falls when the slowest leaves; where devices have links of their own, the slowest
        in its pace need not be the slowest in its latency.
        """
        site = self.model.site
        if len(self.sizes) == 1:
            return True
        if additive == "latency":
            return all(device.bandwidth_bytes_per_s is None for device in site.devices)
        return additive == "shared" and site.shared_cores is None

    def solve(self, thresholds_s: Floats, additive: Additive) -> Solution:
        """For every threshold and every number of devices of each kind: the least sum, and how it comes about.

        Args:
            thresholds_s: rising.
            additive: which sum.
        """
        shape = (*(size + 1 for size in self.sizes), len(thresholds_s))
        totals = [np.full(shape, np.inf) for _ in self._states]
        origins = [np.full(shape, -1, dtype=np.int32) for _ in self._states]
        end_total, end_origin = np.full(shape, np.inf), np.full(shape, -1, dtype=np.int32)
        for number, state in enumerate(self._states):
            if state.layer == 0:
                totals[number][(0,) * len(self.sizes)] = 0.0
        lows = np.searchsorted(thresholds_s, self._periods_s)
        highs = np.full(lows.shape, len(thresholds_s))
        if self.prunes(additive):
            highs = np.searchsorted(thresholds_s, self._smaller_s)
        for number in map(int, np.flatnonzero(lows < highs)):
            step = self.steps[number]
            columns = slice(int(lows[number]), int(highs[number]))
            taken = tuple(slice(0, size + 1 - count) for size, count in zip(self.sizes, step.counts, strict=True))
            given = tuple(slice(count, None) for count in step.counts)
            new = totals[step.source][(*taken, columns)] + step.adds[additive]
            total = end_total if step.target < 0 else totals[step.target]
            origin = end_origin if step.target < 0 else origins[step.target]
            old = total[(*given, columns)]
            better = new < old - _IMPROVED
            if better.any():
                np.copyto(old, new, where=better)
                origin[(*given, columns)][better] = number
        return Solution(self, thresholds_s, end_total, end_origin, origins)

    def narrow(self, most: Sequence[int], additive: Additive, accept: Accept) -> dict[int, int]:
        """For each number of devices the first threshold that is accepted.

        Args:
            most: numbers of devices to look at, of all kinds together.
            additive: the sum to minimise.
            accept: is given a number of devices, a threshold and the least sum there; once true, true for all that
                are longer.

        Returns:
            Number of devices -> number of the threshold; behind the last one where none is accepted.
        """
        every = self.thresholds_s
        bounds = {count: (-1, len(every)) for count in most}
        while any(high - low > 1 for low, high in bounds.values()):
            wanted: set[int] = set()
            for low, high in bounds.values():
                inside = min(_ROUND if self.prunes(additive) else _SHORT_ROUND, high - low - 1)
                wanted |= {low + (high - low) * (n + 1) // (inside + 1) for n in range(inside)} - {low, high}
            looked = sorted(wanted)
            solution = self.solve(every[looked], additive)
            for count in most:
                low, high = bounds[count]
                least = solution.least(count)
                for column, at in enumerate(looked):
                    if low < at < high:
                        if accept(count, float(every[at]), float(least[column])):
                            high = at
                            break
                        low = at
                bounds[count] = (low, high)
        return {count: high for count, (_, high) in bounds.items()}

    def shortest(self, most: Sequence[int]) -> dict[int, float]:
        """For each number of devices the shortest period that stages and what they share can keep to.

        Returns:
            Number of devices -> seconds; infinite where nothing fits.
        """
        every = self.thresholds_s
        found = self.narrow(most, "shared", lambda _, threshold_s, least: least <= threshold_s + _IMPROVED)
        # Between two thresholds the shared medium sets the pace: with the stages of the shorter one.
        near = sorted({one for at in found.values() for one in (at - 1, at) if 0 <= one < len(every)})
        solution = self.solve(every[near], "shared")
        values = {count: np.maximum(every[near], solution.least(count)) for count in most}
        return {count: float(value.min(initial=math.inf)) for count, value in values.items()}


class Solution:
    """What `Search.solve` found."""

    def __init__(
        self,
        search: Search,
        thresholds_s: Floats,
        totals: Floats,
        origin: npt.NDArray[np.int32],
        origins: list[npt.NDArray[np.int32]],
    ) -> None:
        self.thresholds_s = thresholds_s
        self.totals = totals
        self._search = search
        self._origin = origin
        self._origins = origins
        self.devices: npt.NDArray[np.int64] = np.indices(totals.shape[:-1]).sum(axis=0)

    def least(self, most: int) -> Floats:
        """For each threshold, the least sum with so many devices at most; infinite where there is no plan."""
        least: Floats = (
            np.where((self.devices <= most)[..., None], self.totals, np.inf)
            .reshape(-1, len(self.thresholds_s))
            .min(axis=0)
        )
        return least

    def at(self, counts: Counts, column: int) -> Found:
        """The plan on just so many devices of each kind, at a threshold.

        Raises:
            ValueError: there is none.
        """
        if math.isinf(self.totals[(*counts, column)]):
            raise ValueError(f"no plan on {counts} devices at threshold {column}")
        steps: list[Step] = []
        left, origin = counts, self._origin
        while True:
            step = self._search.steps[int(origin[(*left, column)])]
            steps.append(step)
            left = tuple(have - taken for have, taken in zip(left, step.counts, strict=True))
            if step.cut.begin == 0:
                break
            origin = self._origins[step.source]
        steps.reverse()
        threshold_s = max(step.period_s for step in steps)
        total = float(self.totals[(*counts, column)])
        return Found(assignment_from(self._search.model, steps), counts, threshold_s, total)


def assignment_from(model: StageModel, steps: Sequence[Step]) -> Assignment:
    """Stages on the first devices of each kind."""
    free = [list(kind) for kind in model.site.kinds]
    stages = []
    for step in steps:
        nodes = [model.node(kind, step.cut) for kind in range(len(free))]
        order = sorted(range(len(nodes)), key=lambda kind: (nodes[kind].period_s, kind))
        numbers = [free[kind].pop(0) for kind in order for _ in range(step.counts[kind])]
        parts = step.cut.parts
        replicas = tuple(tuple(numbers[begin : begin + parts]) for begin in range(0, len(numbers), parts))
        stages.append(Stage(step.cut.begin, step.cut.end, parts, replicas))
    return Assignment(model.graph.name, tuple(stages))
