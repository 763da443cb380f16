"""Why there is no plan, and which one would be the nearest (pure)."""

from __future__ import annotations

import math
from itertools import pairwise

from harness.errors import FarmError
from harness.farm.config import Address
from harness.models.graph import ModelGraph
from harness.plan.cuts import cut_points
from harness.plan.exact import ExactPlanner
from harness.plan.near import search_space
from harness.plan.objective import Objective
from harness.plan.site import Site
from harness.plan.stage_cost import StageModel
from harness.plan.steps import MOST_STEPS


def no_plan(
    graph: ModelGraph, site: Site, objective: Objective, max_latency_s: float | None, *, conv_splits: bool = True
) -> FarmError:
    """Why there is none, and the nearest that there is, as an error to raise."""
    count = len(site.devices) + 1
    quickest = None if max_latency_s is None else _quickest_s(graph, site, conv_splits=conv_splits)
    if quickest is not None:
        return FarmError(
            f"no plan of {graph.name} on {count} devices answers within {max_latency_s:g} s",
            f"the quickest takes {quickest:.3g} s",
        )
    large = _too_large(graph, site)
    if large:
        return FarmError(f"{graph.name} fits on no {count} of these devices: {large}", _larger(site, graph))
    return FarmError(f"{graph.name} needs more than {count} devices", _more(graph, site, objective))


def _too_large(graph: ModelGraph, site: Site) -> str:
    """The layer that fits no device in any number of parts, in words; "" where each fits some device."""
    model = StageModel(graph, site, conv_splits="all")
    points = cut_points(graph)
    for begin, end in pairwise(points):
        ways = model.ways(begin, end)
        blocks = {way: [model.block(kind, begin, end, way) for kind in range(len(site.kinds))] for way in ways}
        if not any(block.seconds < math.inf for found in blocks.values() for block in found):
            least = {way: min(block.memory_bytes for block in found) for way, found in blocks.items()}
            way = min(least, key=lambda one: least[one])
            split = f" even in {way.parts} parts" if way.parts > 1 else ""
            most = max(device.memory_bytes for device in site.devices)
            layer = model.names[end - 1]
            return f"{layer}{split} needs {least[way] / 1e6:,.0f} MB, the largest has {most / 1e6:,.0f} MB"
    return ""


def _larger(site: Site, graph: ModelGraph) -> str:
    """How much memory would do."""
    largest = max(site.devices, key=lambda device: device.memory_bytes)
    memory = largest.memory_bytes
    for _ in range(40):
        memory = math.ceil(memory * 1.1)
        grown = type(largest)(largest.name, largest.profile, memory, largest.address, largest.bandwidth_bytes_per_s)
        if not _too_large(graph, Site(site.initial, (grown,), site.network, site.shared_cores)):
            return f"devices with {memory / 1e6:,.0f} MB would do"
    return "a smaller model would"


def _more(graph: ModelGraph, site: Site, objective: Objective) -> str:
    """How many devices would do."""
    devices = list(site.devices)
    model = devices[-1]
    for extra in range(1, 25):
        address = Address(f"more-{extra}", model.address.port)
        devices.append(
            type(model)(f"more {extra}", model.profile, model.memory_bytes, address, model.bandwidth_bytes_per_s)
        )
        grown = Site(site.initial, tuple(devices), site.network, site.shared_cores)
        space = search_space(StageModel(graph, grown, conv_splits="none"), objective, None)
        if space.steps > MOST_STEPS:
            break
        if ExactPlanner(space, objective, None).plans([len(devices)]):
            return f"the nearest plan takes {len(devices) + 1} devices"
    return "give more of them, or larger ones"


def _quickest_s(graph: ModelGraph, site: Site, *, conv_splits: bool) -> float | None:
    """The least latency on these devices; None where nothing runs, or the site is too large to say."""
    space = search_space(StageModel(graph, site, conv_splits="none"), "latency", None, conv_splits=conv_splits)
    if space.steps > MOST_STEPS:
        return None
    found = ExactPlanner(space, "latency", None).plans([len(site.devices)])
    return min((planned.prediction.latency_s for planned in found.values()), default=None)
