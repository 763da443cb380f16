"""Plans for each number of devices, where the site is too large to be searched exactly (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from harness.plan.assignment import Assignment
from harness.plan.bounded import bounded_plans, with_more_replicas
from harness.plan.cost import predict
from harness.plan.exact import SAME, ExactPlanner
from harness.plan.near import search_space
from harness.plan.objective import Objective, Planned, score
from harness.plan.site import Site
from harness.plan.stage_cost import StageModel
from harness.plan.steps import MOST_STEPS

_SMALL: Final = 16
"""Devices that are searched exactly for the cuts of a farm that is too large to be."""
_EVERY: Final = 50


class BoundedPlanner:
    """Plans of a site that is too large to be searched exactly.

    Args:
        model: costs of stages without splits of convolutions, which are looked at on a few devices alone.
        objective: what is looked for.
        max_latency_s: the longest way of a frame alone; None is any.
        conv_splits: whether convolutions may be split at all.
    """

    def __init__(
        self, model: StageModel, objective: Objective, max_latency_s: float | None, *, conv_splits: bool = True
    ) -> None:
        self._conv_splits = conv_splits
        self._model = model
        self._objective = objective
        self._most_s = math.inf if max_latency_s is None else max_latency_s * SAME

    def plans(self, counts: Sequence[int]) -> dict[int, Planned]:
        """Number of computing devices -> plan, where there is one."""
        candidates = [planned for planned in map(self._planned, self._assignments(counts)) if self._fits(planned)]
        candidates.sort(key=lambda one: one.assignment.nodes)
        plans: dict[int, Planned] = {}
        best: Planned | None = None
        waiting = iter([*candidates, None])
        following = next(waiting)
        for count in sorted(counts):
            while following is not None and following.assignment.nodes <= count:
                if best is None or self._key(following) < self._key(best):
                    best = following
                following = next(waiting)
            if best is not None:
                plans[count] = best
        return plans

    def _assignments(self, counts: Sequence[int]) -> Iterable[Assignment]:
        yield from bounded_plans(self._model)
        # The cuts that are best on a few devices, with every further device as a replica.
        site = self._model.site
        few = Site(site.initial, site.devices[:_SMALL], site.network, site.shared_cores)
        few_model = StageModel(self._model.graph, few, conv_splits="none")
        limit_s = None if math.isinf(self._most_s) else self._most_s
        space = search_space(few_model, self._objective, limit_s, conv_splits=self._conv_splits)
        if space.steps > MOST_STEPS:
            return
        exact = ExactPlanner(space, self._objective, limit_s).plans(range(1, len(few.devices) + 1))
        for planned in exact.values():
            yield planned.assignment
            if self._objective != "latency":
                for count in {count for count in counts if count > planned.assignment.nodes and count % 50 == 0} | {
                    max(counts)
                }:
                    yield with_more_replicas(self._model, planned.assignment, count)

    def _planned(self, assignment: Assignment) -> Planned:
        model = self._model
        return Planned(assignment, predict(model.graph, model.site, assignment, model=model), exact=False)

    def _fits(self, planned: Planned) -> bool:
        return planned.prediction.feasible and planned.prediction.latency_s <= self._most_s

    def _key(self, planned: Planned) -> tuple[float, int, float]:
        return (
            score(planned.prediction, self._objective),
            planned.assignment.nodes,
            planned.prediction.latency_s,
        )
