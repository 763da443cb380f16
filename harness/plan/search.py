"""The best assignment, found exactly: dynamic programming over cuts, parts, and devices of each kind (pure).

A plan's pace is set by its slowest stage, so the search looks at every period that any stage can have as a threshold:
among plans whose stages all keep to it, the one that is least in what adds up over stages (time on a shared medium,
latency, or energy) is found stage by stage. All thresholds go through the same steps side by side, in NumPy. Where
there are too many of them, they are narrowed down in rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.plan.assignment import Assignment, Stage
from harness.plan.stage_cost import StageModel
from harness.plan.stages import Stages
from harness.plan.steps import Additive, Counts, Floats, steps_of
from harness.plan.way import Cut

_MOST_CELLS: Final = 40_000_000
_IMPROVED: Final = 1e-12
_ROUND: Final = 24

Accept = Callable[[int, float, float], bool]


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


class Search:
    """Exact plans of one model at one site.

    Args:
        model: costs of stages; its site is searched.
        stages: which stages plans may have.
    """

    def __init__(self, model: StageModel, stages: Stages) -> None:
        self.model = model
        self.steps = steps_of(model, stages)
        self.sizes = tuple(len(kind) for kind in model.site.kinds)
        self.thresholds_s: Floats = np.unique(self.steps.period_s)
        self._states = [state for state, _ in stages]
        self._regions = [
            (
                tuple(slice(0, size + 1 - count) for size, count in zip(self.sizes, counts, strict=True)),
                tuple(slice(count, None) for count in counts),
            )
            for counts in self.steps.counts
        ]
        """For each number of devices: where it is free, and the same places when it was taken."""

    @property
    def most_thresholds(self) -> int:
        """Thresholds that can be looked at side by side."""
        return max(2, _MOST_CELLS // (len(self._states) * math.prod(size + 1 for size in self.sizes)))

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
        lows = np.searchsorted(thresholds_s, self.steps.period_s)
        # From there on fewer devices will do, whose totals are found as well.
        highs = np.searchsorted(thresholds_s, self.steps.enough_s[additive])
        adds, edges = self.steps.adds[additive].tolist(), self.steps.edges
        of_edge, of_devices = self.steps.edge.tolist(), self.steps.devices.tolist()
        for number in np.flatnonzero(lows < highs).tolist():
            source, target, _ = edges[of_edge[number]]
            before, after = self._regions[of_devices[number]]
            columns = slice(lows[number], highs[number])
            new = totals[source][(*before, columns)] + adds[number]
            total = end_total if target < 0 else totals[target]
            origin = end_origin if target < 0 else origins[target]
            old = total[(*after, columns)]
            better = new < old - _IMPROVED
            if np.count_nonzero(better):
                np.copyto(old, new, where=better)
                origin[(*after, columns)][better] = number
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
                inside = min(_ROUND, high - low - 1)
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
        rows: list[int] = []
        left, origin = counts, self._origin
        while True:
            rows.append(int(origin[(*left, column)]))
            edge, taken = self._search.steps.at(rows[-1])
            left = tuple(have - took for have, took in zip(left, taken, strict=True))
            if edge.cut.begin == 0:
                break
            origin = self._origins[edge.source]
        rows.reverse()
        steps = self._search.steps
        threshold_s = float(steps.period_s[rows].max())
        total = float(self.totals[(*counts, column)])
        stages = [(edge.cut, taken) for edge, taken in map(steps.at, rows)]
        return Found(assignment_from(self._search.model, stages), counts, threshold_s, total)


def assignment_from(model: StageModel, chosen: Sequence[tuple[Cut, Counts]]) -> Assignment:
    """Stages on the first devices of each kind."""
    free = [list(kind) for kind in model.site.kinds]
    stages = []
    for cut, counts in chosen:
        numbers = [free[kind].pop(0) for kind in model.kinds_by_pace(cut) for _ in range(counts[kind])]
        replicas = tuple(tuple(numbers[begin : begin + cut.parts]) for begin in range(0, len(numbers), cut.parts))
        stages.append(Stage(cut.begin, cut.end, cut.parts, replicas, cut.way.split))
    return Assignment(model.graph.name, tuple(stages))
