"""The plan of a farm: the best assignment for every number of devices, by one objective (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import BadInputError
from harness.models.graph import ModelGraph
from harness.plan.exact import ExactPlanner
from harness.plan.large import BoundedPlanner
from harness.plan.near import search_space
from harness.plan.nearest import no_plan
from harness.plan.objective import Objective, Planned, objective_called
from harness.plan.site import Site
from harness.plan.stage_cost import StageModel, dynamic_w
from harness.plan.steps import MOST_STEPS, count_steps


@dataclass(frozen=True)
class PlanResult:
    """Assignments for every number of devices.

    Attributes:
        graph: the model.
        site: devices and network.
        objective: what was looked for.
        max_latency_s: the longest way of a frame alone; None is any.
        by_devices: number of devices, the initial included -> assignment; numbers without a plan are missing.
    """

    graph: ModelGraph
    site: Site
    objective: Objective
    max_latency_s: float | None
    by_devices: dict[int, Planned]

    @property
    def devices(self) -> int:
        """Of the site, the initial included."""
        return len(self.site.devices) + 1

    @property
    def best(self) -> Planned:
        """The assignment on all devices."""
        return self.by_devices[self.devices]


def plan_model(
    graph: ModelGraph,
    site: Site,
    *,
    objective: str = "throughput",
    max_latency_s: float | None = None,
    exact: bool | None = None,
    every: bool = True,
    conv_splits: bool = True,
) -> PlanResult:
    """Plan a model on a site.

    Args:
        graph: the model.
        site: devices and network.
        objective: one of `OBJECTIVES`.
        max_latency_s: the longest that a frame alone may take; None is any.
        exact: search exactly or within bounds; None decides by the size.
        every: for every number of devices from 2 up; otherwise for all of them alone.
        conv_splits: whether convolutions may be split.

    Returns:
        Assignments; there is always one on all devices.

    Raises:
        BadInputError: the objective is unknown, the latency is no positive number, watts that are needed are unknown,
            or a profile lacks a layer.
        FarmError: there is no plan on these devices; the hint names the nearest that there is.
    """
    wanted = objective_called(objective)
    if max_latency_s is not None and not 0 < max_latency_s < math.inf:
        raise BadInputError(f"a latency of {max_latency_s} s cannot be kept to", "give a positive number of seconds")
    if wanted == "energy":
        _require_watts(site)
    model = StageModel(graph, site, conv_splits="none")
    counts = range(1, len(site.devices) + 1) if every else [len(site.devices)]
    if exact is None:
        exact = count_steps(model) <= MOST_STEPS
    if exact:
        plans = _exact_plans(model, wanted, max_latency_s, list(counts), conv_splits=conv_splits)
    else:
        plans = BoundedPlanner(model, wanted, max_latency_s, conv_splits=conv_splits).plans(list(counts))
    if len(site.devices) not in plans:
        raise no_plan(graph, site, wanted, max_latency_s, conv_splits=conv_splits)
    found = {count + 1: planned for count, planned in plans.items()}
    return PlanResult(graph, site, wanted, max_latency_s, found)


def _exact_plans(
    model: StageModel, objective: Objective, max_latency_s: float | None, counts: list[int], *, conv_splits: bool
) -> dict[int, Planned]:
    """Number of computing devices -> plan, where there is one."""
    done: dict[int, Planned] = {}
    if max_latency_s is not None and objective != "latency":
        # What is best without a bound and keeps to it is best with it, and is found among fewer stages.
        space = search_space(model, objective, None, conv_splits=conv_splits)
        free = ExactPlanner(space, objective, None).plans(counts)
        done = {count: one for count, one in free.items() if one.prediction.latency_s <= max_latency_s}
    left = [count for count in counts if count not in done]
    if left:
        space = search_space(model, objective, max_latency_s, conv_splits=conv_splits)
        done |= ExactPlanner(space, objective, max_latency_s).plans(left)
    return dict(sorted(done.items()))


def _require_watts(site: Site) -> None:
    for device in (site.initial, *site.devices):
        if dynamic_w(device) is None:
            raise BadInputError(
                f"the watts of {device.name} ({device.profile.name}) are unknown, so energy cannot be planned",
                "choose throughput or latency, or a profile with idle_w and load_w",
            )
