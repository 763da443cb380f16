"""What an assignment will do, by the profiles of its devices and the network between them (pure).

Stages work at the same time, so the slowest of them, or the network, sets the pace: period = max(stage, medium, link),
IPS = 1 / period. A frame alone passes one stage after the other. In a closed loop with F frames in flight Little's law
gives the time that each spends in the farm: F / IPS; since that is never shorter than its way alone, the most frames
that a run may have in flight can set the pace of a large farm, too.
Energy follows the paper's arithmetic over one period: idle watts all the time, the rest of the load while computing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.models.graph import ModelGraph
from harness.plan.assignment import Assignment, partition_of
from harness.plan.plan import QUEUE_FRAMES
from harness.plan.site import Site
from harness.plan.stage_cost import NodeCost, StageCost, StageModel, stage_cost
from harness.plan.way import WHOLE, Cut, Reading, reading_of

_LESS = 1 - 1e-9
"""Sums that were added in another order."""


@dataclass(frozen=True)
class LinkUse:
    """What one edge carries.

    Attributes:
        source: role.
        target: role.
        tensor: what travels.
        messages: for each frame.
        frame_bytes: payload of all of them.
    """

    source: str
    target: str
    tensor: str
    messages: int
    frame_bytes: int


@dataclass(frozen=True)
class Energy:
    """Joules for each frame.

    Attributes:
        static_j: idling of all devices, the initial included, from one frame to the next.
        dynamic_j: what computing takes beyond that.
    """

    static_j: float
    dynamic_j: float

    @property
    def total_j(self) -> float:
        """Both together."""
        return self.static_j + self.dynamic_j


@dataclass(frozen=True)
class Prediction:
    """What an assignment will do.

    Attributes:
        ips: frames per second, when there are always enough to do; at most what 64 frames in flight allow.
        latency_s: of one frame alone.
        in_flight: frames under way in the closed loop.
        p50_latency_s: of a frame in it.
        energy: of a frame; None where the watts of a device are unknown.
        links: what travels, in order.
        busy: device, by its name -> share of the time that it computes or sends.
        medium_busy: share of the time that a shared medium is busy; None where none is shared.
        bottleneck: what sets the pace, in words.
        stage_periods_s: of each stage, in order.
        swapping: roles whose weights do not fit their memory.
        held_by_load: whether more frames in flight than a run may have would raise the pace.
        extrapolated: whether any figure behind it is extrapolated.
    """

    ips: float
    latency_s: float
    in_flight: int
    p50_latency_s: float
    energy: Energy | None
    links: tuple[LinkUse, ...]
    busy: dict[str, float]
    medium_busy: float | None
    bottleneck: str
    stage_periods_s: tuple[float, ...]
    swapping: tuple[str, ...]
    held_by_load: bool
    extrapolated: bool

    @property
    def period_s(self) -> float:
        """From one frame to the next."""
        return math.inf if self.ips == 0 else 1 / self.ips

    @property
    def enough_in_flight(self) -> int:
        """So many frames in flight keep the farm at its pace, when none of them waits."""
        return 0 if math.isinf(self.period_s) else math.ceil(self.latency_s / self.period_s * _LESS)

    @property
    def feasible(self) -> bool:
        """Whether every block fits its device."""
        return self.ips > 0


def predict(
    graph: ModelGraph,
    site: Site,
    assignment: Assignment,
    *,
    in_flight: int | None = None,
    model: StageModel | None = None,
) -> Prediction:
    """What an assignment will do.

    Args:
        graph: the model.
        site: devices and network.
        assignment: stages on the site's devices.
        in_flight: frames under way; None is two for each node, as in a run.
        model: costs of the same graph and site, where many assignments are compared.

    Returns:
        The prediction; one with `ips` 0 where a block fits no device of its stage.

    Raises:
        BadInputError: a profile has no figure for a layer.
    """
    model = model or StageModel(graph, site)
    cuts = cuts_of(assignment)
    nodes = [
        [[model.node_of(number, cut) for number in replica] for replica in stage.replicas]
        for cut, stage in zip(cuts, assignment.stages, strict=True)
    ]
    costs = [stage_cost(replicas) for replicas in nodes]
    roles = [role.name for role in partition_of(assignment, graph).roles]
    latency_s = sum(cost.latency_s for cost in costs)
    latency_s += sum(model.hop_s(cut) for cut in cuts) + model.last_hop_s(cuts[-1])
    in_flight = in_flight or min(2 * assignment.nodes, QUEUE_FRAMES)
    bounds = _bounds(model, site, cuts, costs, roles)
    load_s = latency_s / QUEUE_FRAMES
    bounds[f"the bound of {QUEUE_FRAMES} frames in flight"] = load_s
    slowest = max(bounds, key=lambda name: bounds[name])
    period_s = bounds[slowest]
    ips = 0.0 if math.isinf(period_s) else 1 / period_s
    flat = [node for replicas in nodes for replica in replicas for node in replica]
    medium_s = _medium_s(model, cuts)
    return Prediction(
        ips=ips,
        latency_s=latency_s,
        in_flight=in_flight,
        p50_latency_s=max(latency_s, in_flight * period_s),
        energy=_energy(model, site, assignment, cuts, costs, period_s),
        links=_links(graph, assignment),
        busy=_busy(model, site, assignment, cuts, nodes, ips),
        medium_busy=medium_s * ips if site.network.shared else None,
        bottleneck=slowest,
        stage_periods_s=tuple(cost.period_s for cost in costs),
        swapping=tuple(
            role
            for role, replicas in zip(roles, nodes, strict=True)
            if any(0 < node.block.swap_s < math.inf for replica in replicas for node in replica)
        ),
        held_by_load=period_s == load_s,
        extrapolated=any(node.block.basis == "extrapolated" for node in flat),
    )


def cuts_of(assignment: Assignment) -> tuple[Cut, ...]:
    """The cut of each stage, which knows its neighbours."""
    ways = [WHOLE, *(stage.way for stage in assignment.stages)]
    takers = [*(reading_of(stage.way, stage.end) for stage in assignment.stages), Reading()]
    return tuple(
        Cut(stage.begin, stage.end, stage.way, ways[number], takers[number + 1])
        for number, stage in enumerate(assignment.stages)
    )


def _bounds(
    model: StageModel, site: Site, cuts: tuple[Cut, ...], costs: list[StageCost], roles: list[str]
) -> dict[str, float]:
    """Everything that can set the pace, in words -> seconds from one frame to the next."""
    bounds = {f"role {role}": cost.period_s for role, cost in zip(roles, costs, strict=True)}
    bounds["the initial's sending"] = model.sending_s(cuts[0])
    bounds["the initial's receiving"] = model.receiving_s(cuts[-1])
    if site.network.shared:
        bounds[f"the shared medium {site.network.name}"] = _medium_s(model, cuts)
    if site.shared_cores is not None:
        busy_s = sum(cost.busy_s for cost in costs) + model.initial_busy_s(cuts[0], cuts[-1])
        bounds[f"the {site.shared_cores} cores that all nodes share"] = busy_s / site.shared_cores
    return bounds


def _medium_s(model: StageModel, cuts: tuple[Cut, ...]) -> float:
    return sum(model.medium_s(cut) for cut in cuts) + model.last_medium_s(cuts[-1])


def _energy(
    model: StageModel,
    site: Site,
    assignment: Assignment,
    cuts: tuple[Cut, ...],
    costs: list[StageCost],
    period_s: float,
) -> Energy | None:
    idle_w = [model.initial_idle_w, *(site.devices[number].profile.device.idle_w for number in assignment.used)]
    dynamic_j = [model.initial_dynamic_j(cuts[0], cuts[-1]), *(cost.dynamic_j for cost in costs)]
    watts = [one for one in idle_w if one is not None]
    joules = [one for one in dynamic_j if one is not None]
    if len(watts) < len(idle_w) or len(joules) < len(dynamic_j) or math.isinf(period_s):
        return None
    return Energy(math.fsum(watts) * period_s, math.fsum(joules))


def _busy(
    model: StageModel,
    site: Site,
    assignment: Assignment,
    cuts: tuple[Cut, ...],
    nodes: list[list[list[NodeCost]]],
    ips: float,
) -> dict[str, float]:
    busy = {site.initial.name: model.initial_busy_s(cuts[0], cuts[-1]) * ips}
    for stage, replicas in zip(assignment.stages, nodes, strict=True):
        rates = [1 / max(node.period_s for node in replica) for replica in replicas]
        for numbers, replica, rate in zip(stage.replicas, replicas, rates, strict=True):
            taken = ips * rate / sum(rates) if ips else 0.0
            for number, node in zip(numbers, replica, strict=True):
                busy[site.devices[number].name] = taken * node.busy_s if taken else 0.0
    return busy


def _links(graph: ModelGraph, assignment: Assignment) -> tuple[LinkUse, ...]:
    return tuple(
        LinkUse(edge.source, edge.target, edge.tensor, edge.parts * edge.copies, edge.frame_bytes)
        for edge in partition_of(assignment, graph).edges
    )
