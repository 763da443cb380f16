"""A plan in words: why each role is cut as it is, what sets the pace, and whether one more device would help (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.farm.config import Address
from harness.models.graph import Dense, ModelGraph
from harness.models.split import Split
from harness.partition.partition import Role
from harness.plan.assignment import Stage, partition_of
from harness.plan.cost import cuts_of
from harness.plan.farm_file import loopback
from harness.plan.objective import Planned, score
from harness.plan.plan import QUEUE_FRAMES
from harness.plan.planner import PlanResult, plan_model
from harness.plan.site import FarmDevice, Site
from harness.plan.stage_cost import NodeCost, StageModel
from harness.plan.traffic import part_blocks
from harness.plan.way import Cut

_HELPS = 1.01
"""A further device helps where it makes the objective better by a per cent."""


@dataclass(frozen=True)
class OneMore:
    """What a further device like the last one would do.

    Attributes:
        helps: whether it makes the objective better by a per cent or more.
        planned: the plan with it.
        text: in words.
    """

    helps: bool
    planned: Planned
    text: str


def explain(result: PlanResult) -> list[str]:
    """Every choice of the plan on all devices, a line each."""
    graph, site, planned = result.graph, result.site, result.best
    model = StageModel(graph, site)
    roles = partition_of(planned.assignment, graph).roles
    cuts = cuts_of(planned.assignment)
    lines = [
        _role(model, site, role, stage, cut)
        for role, stage, cut in zip(roles, planned.assignment.stages, cuts, strict=True)
    ]
    left = len(site.devices) - planned.assignment.nodes
    if left:
        devices = "1 device is" if left == 1 else f"{left} devices are"
        lines.append(f"{devices} left over, which would change nothing, and stand ready as spares")
    prediction = planned.prediction
    lines.append(f"the pace is set by {prediction.bottleneck}: a frame every {seconds(prediction.period_s)}")
    if prediction.medium_busy is not None:
        lines.append(f"the shared medium is busy {prediction.medium_busy:.0%} of the time")
    if prediction.held_by_load:
        lines.append(f"no run has more than {QUEUE_FRAMES} frames in flight: several smaller farms would do more")
    elif prediction.enough_in_flight > prediction.in_flight:
        enough = f"enough for {prediction.in_flight / prediction.latency_s:.3g} frames/s"
        more = f"--in-flight {prediction.enough_in_flight} for all"
        lines.append(f"a run has {prediction.in_flight} frames in flight, {enough}; {more}")
    if not planned.exact:
        lines.append(
            "bounded: the search did not look at every plan of so large or mixed a farm; a better one may exist"
        )
    if prediction.extrapolated:
        lines.append("some layer times are extrapolated: iot-farm profile MODEL --device NAME tells which, and by what")
    return lines


def one_more(result: PlanResult) -> OneMore:
    """Plan the same with a further device like the last one, and say whether it helps."""
    site, graph = result.site, result.graph
    if not result.best.exact and result.best.assignment.nodes < len(site.devices):
        left = len(site.devices) - result.best.assignment.nodes
        text = (
            f"no: of {result.devices} devices {left} are left over; {result.best.prediction.bottleneck} sets the pace"
        )
        return OneMore(helps=False, planned=result.best, text=text)
    last = site.devices[-1]
    extra = FarmDevice("one more", last.profile, last.memory_bytes, _free_address(site), last.bandwidth_bytes_per_s)
    grown = Site(site.initial, (*site.devices, extra), site.network, site.shared_cores)
    planned = plan_model(graph, grown, objective=result.objective, max_latency_s=result.max_latency_s, every=False).best
    before, after = result.best.prediction, planned.prediction
    helps = score(after, result.objective) * _HELPS <= score(before, result.objective)
    count = result.devices + 1
    change = _change(result, planned)
    if helps:
        return OneMore(helps, planned, f"yes: {count} devices, {change}")
    return OneMore(helps, planned, f"no: {count} devices, {change}; {after.bottleneck} sets the pace")


def seconds(value: float) -> str:
    """Seconds as people write them."""
    if math.isinf(value):
        return "never"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def _change(result: PlanResult, planned: Planned) -> str:
    before, after = result.best.prediction, planned.prediction
    if result.objective == "throughput":
        return f"{after.ips:.3g} in place of {before.ips:.3g} frames/s"
    if result.objective == "latency":
        return f"{seconds(after.latency_s)} in place of {seconds(before.latency_s)} for a frame"
    assert before.energy is not None
    assert after.energy is not None
    return f"{after.energy.total_j:.3g} in place of {before.energy.total_j:.3g} J a frame"


def _free_address(site: Site) -> Address:
    taken = {device.address for device in (site.initial, *site.devices)}
    return next(one for one in map(loopback, range(len(taken) + 1)) if one not in taken)


def _role(model: StageModel, site: Site, role: Role, stage: Stage, cut: Cut) -> str:
    nodes = [model.node_of(number, cut) for replica in stage.replicas for number in replica]
    slowest = max(nodes, key=lambda node: node.compute_s)
    layers = role.layers[0] if len(role.layers) == 1 else f"{role.layers[0]} to {role.layers[-1]}"
    head = role.name if role.name == layers else f"{role.name} ({layers})"
    text = f"{head} {_split(model, stage, cut, slowest)}"
    count = len(stage.replicas)
    if count > 1:
        each = "pairs" if stage.parts == 2 else f"groups of {stage.parts}" if stage.parts > 2 else "devices"  # noqa: PLR2004
        pace_s = 1 / sum(1 / max(model.node_of(n, cut).period_s for n in replica) for replica in stage.replicas)
        text += f", on {count} {each} that take turns: one every {seconds(pace_s)}"
    return text + _swapping(model.graph, site, stage, role, slowest)


def _split(model: StageModel, stage: Stage, cut: Cut, slowest: NodeCost) -> str:
    if stage.parts == 1:
        return f"whole: {seconds(slowest.compute_s)} a frame"
    kind = model.site.kinds.index(next(kind for kind in model.site.kinds if stage.replicas[0][0] in kind))
    whole = model.node(kind, Cut(cut.begin, cut.end))
    megabytes = whole.block.weight_bytes / 1e6
    memory = model.site.devices[stage.replicas[0][0]].memory_bytes / 1e9
    change = f"{seconds(whole.compute_s)} -> {seconds(slowest.compute_s)} each"
    split = f"split in {stage.parts}"
    if stage.way.of_convolutions:
        split += f" by {stage.split.replace('_', ' ')}"
        change += _again(model, stage)
    if math.isinf(whole.compute_s):
        return f"{split}: {megabytes:,.0f} MB of weights do not fit {memory:g} GB"
    if whole.block.swap_s > 0:
        return f"{split}: {megabytes:,.0f} MB of weights swap on {memory:g} GB: {change}"
    return f"{split}: {change}"


def _again(model: StageModel, stage: Stage) -> str:
    """What parts by rows do more than the whole, since each computes its halo."""
    if stage.split is not Split.ROWS:
        return ""
    blocks = part_blocks(model.graph, stage.begin, stage.end, stage.way)
    whole = sum(model.graph.macs(name) for name in model.names[stage.begin : stage.end])
    return f", {sum(block.macs for block in blocks) / whole - 1:.0%} more work in all for the halos"


def _swapping(graph: ModelGraph, site: Site, stage: Stage, role: Role, slowest: NodeCost) -> str:
    block = slowest.block
    if block.swap_s > 0:
        memory = site.devices[stage.replicas[0][0]].memory_bytes / 1e9
        return (
            f"; its {block.weight_bytes / 1e6:,.0f} MB of weights swap on {memory:g} GB, "
            f"{seconds(block.swap_s)} of that, and splitting would bring no more"
        )
    dense = [name for name in role.layers if isinstance(graph.layer(name), Dense)]
    if stage.parts == 1 and len(stage.replicas) == 1 and dense:
        return f"; its {block.weight_bytes / 1e6:,.0f} MB of weights fit, so it need not be split"
    return ""
