"""What one stage of a pipeline costs: the formulas that prediction and search share (pure).

A stage is a run of layers between two cuts. Its devices compute a frame, take its messages and send its outputs; a
frame is done when the slowest part is. Replicas take frames as they become free, so their rates add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from harness.models.graph import ModelGraph
from harness.plan.cuts import candidate_ways
from harness.plan.site import FarmDevice, Site
from harness.plan.traffic import Crossings, Traffic, part_blocks, part_features
from harness.plan.way import WHOLE, Cut, Way
from harness.profile.times import BlockTime, BlockTimes

_LEAST_S: Final = 1e-9
"""No device takes more than a billion frames per second."""
_LESS: Final = 1 - 1e-9
ConvSplits = Literal["all", "needed", "none"]


@dataclass(frozen=True)
class NodeCost:
    """One device in a stage.

    Attributes:
        compute_s: of a frame.
        latency_s: of a frame, with what its link is slower than those of others.
        busy_s: processor time of a frame, its messages included.
        period_s: from one frame to the next at best: processor or link, whichever is the slower.
        dynamic_j: energy above idling for a frame; None is unknown.
        block: what the layers ask of it.
    """

    compute_s: float
    latency_s: float
    busy_s: float
    period_s: float
    dynamic_j: float | None
    block: BlockTime


@dataclass(frozen=True)
class StageCost:
    """A stage on its devices.

    Attributes:
        period_s: from one frame to the next, all replicas together.
        latency_s: of one frame, averaged over the replicas by the frames that they take.
        busy_s: processor time of all devices for one frame.
        dynamic_j: of all devices for one frame; None is unknown.
    """

    period_s: float
    latency_s: float
    busy_s: float
    dynamic_j: float | None


class StageModel:
    """Costs of every possible stage of a model at a site.

    Args:
        graph: the model.
        site: devices and network.
        conv_splits: which splits of convolutions plans may have: all that are looked at; those alone whose parts
            together take a device less time than the whole, because it swaps or does not fit; or none.

    Raises:
        BadInputError: a profile has figures of another model of that name.
    """

    def __init__(self, graph: ModelGraph, site: Site, *, conv_splits: ConvSplits = "needed") -> None:
        self.graph = graph
        self.site = site
        self.conv_splits = conv_splits
        self.names = tuple(layer.name for layer in graph.layers)
        self._times: list[tuple[FarmDevice, BlockTimes]] = []
        self._nodes: dict[tuple[int, Cut], NodeCost] = {}
        self._blocks: dict[tuple[int, int, int, Way], BlockTime] = {}
        self._features: dict[tuple[int, int, Way], list[dict[str, dict[str, float]]]] = {}
        self._crossings = Crossings(graph)
        self._ways: dict[tuple[int, int], tuple[Way, ...]] = {}
        self._kind = {number: kind for kind, numbers in enumerate(site.kinds) for number in numbers}
        for numbers in site.kinds:
            device = site.devices[numbers[0]]
            self._times.append((device, BlockTimes(device.profile, graph)))

    def layers(self, cut: Cut) -> tuple[str, ...]:
        """Names of a stage's layers."""
        return self.names[cut.begin : cut.end]

    def ways(self, begin: int, end: int) -> tuple[Way, ...]:
        """Ways in which a stage of these layers may be split; the whole comes first."""
        if (begin, end) not in self._ways:
            self._ways[begin, end] = tuple(
                way
                for way in candidate_ways(self.graph, self.names[begin:end])
                if not way.of_convolutions or self._allowed(begin, end, way)
            )
        return self._ways[begin, end]

    def _allowed(self, begin: int, end: int, way: Way) -> bool:
        """Whether a split of convolutions is looked at.

        Unless the whole swaps or does not fit, as many whole replicas as there are parts have a pace that is no slower,
        and send no more: then a split serves the latency of a frame alone.
        """
        if self.conv_splits == "none" or not all(t.knows_parts(self.names[begin:end]) for _, t in self._times):
            return False
        if self.conv_splits == "all":
            return True
        kinds = range(len(self._times))
        return any(
            self.block(kind, begin, end, way).seconds * way.parts < self.block(kind, begin, end, WHOLE).seconds * _LESS
            for kind in kinds
        )

    def block(self, kind: int, begin: int, end: int, way: Way) -> BlockTime:
        """What the largest part of a stage asks of a device of a kind."""
        key = (kind, begin, end, way)
        if key not in self._blocks:
            device, times = self._times[kind]
            if way.of_convolutions:
                found = [times.part(one, memory_bytes=device.memory_bytes) for one in self._parts(begin, end, way)]
                self._blocks[key] = max(found, key=lambda block: block.seconds)
            else:
                layers = self.names[begin:end]
                self._blocks[key] = times.block(layers, way.parts, memory_bytes=device.memory_bytes)
        return self._blocks[key]

    def incoming(self, cut: Cut) -> Traffic:
        """What a stage takes for a frame."""
        return self._crossings.at(cut.begin, cut.before, cut.reading)

    def outgoing(self, cut: Cut) -> Traffic:
        """What a stage sends for a frame."""
        return self._crossings.at(cut.end, cut.way, cut.after)

    def node(self, kind: int, cut: Cut) -> NodeCost:
        """One device of a kind in a stage."""
        key = (kind, cut)
        if key not in self._nodes:
            self._nodes[key] = self._node(kind, cut)
        return self._nodes[key]

    def node_of(self, number: int, cut: Cut) -> NodeCost:
        """A device, by its number at the site, in a stage."""
        return self.node(self._kind[number], cut)

    def kinds_by_pace(self, cut: Cut) -> tuple[int, ...]:
        """Kinds of devices, the quickest in a stage first: in this order they form replicas, searched or assigned."""
        kinds = range(len(self.site.kinds))
        return tuple(sorted(kinds, key=lambda kind: (self.node(kind, cut).period_s, kind)))

    def hop_s(self, cut: Cut) -> float:
        """Seconds from the end of the stage before (or the initial) to the begin of this one, without waiting."""
        return self._hop_s(self.incoming(cut))

    def last_hop_s(self, cut: Cut) -> float:
        """Seconds from the end of the last stage back to the initial."""
        return self._hop_s(self.outgoing(cut))

    def medium_s(self, cut: Cut) -> float:
        """Seconds for which the input of a stage keeps a shared medium busy; 0 where none is shared."""
        network = self.site.network
        return self.incoming(cut).total_bytes / network.bandwidth_bytes_per_s if network.shared else 0.0

    def last_medium_s(self, cut: Cut) -> float:
        """The same for the result."""
        network = self.site.network
        return self.outgoing(cut).total_bytes / network.bandwidth_bytes_per_s if network.shared else 0.0

    def sending_s(self, first: Cut) -> float:
        """Seconds for which the initial, or its link, is busy with sending a frame."""
        network, sent = self.site.network, self.incoming(first)
        link_s = 0.0 if network.shared else sent.total_bytes / self.site.bandwidth_of(self.site.initial)
        return max(network.message_s * sent.messages, link_s)

    def receiving_s(self, last: Cut) -> float:
        """Seconds for which the initial, or its link, is busy with taking a result."""
        network, taken = self.site.network, self.outgoing(last)
        link_s = 0.0 if network.shared else taken.total_bytes / self.site.bandwidth_of(self.site.initial)
        return max(network.message_s * taken.messages, link_s)

    @cached_property
    def initial_idle_w(self) -> float | None:
        """Watts of the initial while it idles; None is unknown."""
        return self.site.initial.profile.device.idle_w

    def initial_busy_s(self, first: Cut, last: Cut) -> float:
        """Processor time of the initial for one frame."""
        return self.site.network.message_s * (self.incoming(first).messages + self.outgoing(last).messages)

    def initial_dynamic_j(self, first: Cut, last: Cut) -> float | None:
        """Energy of the initial above idling for one frame; None is unknown."""
        watts = dynamic_w(self.site.initial)
        return None if watts is None else watts * self.initial_busy_s(first, last)

    def _parts(self, begin: int, end: int, way: Way) -> list[dict[str, dict[str, float]]]:
        key = (begin, end, way)
        if key not in self._features:
            self._features[key] = [part_features(block) for block in part_blocks(self.graph, begin, end, way)]
        return self._features[key]

    def _node(self, kind: int, cut: Cut) -> NodeCost:
        device, _ = self._times[kind]
        block = self.block(kind, cut.begin, cut.end, cut.way)
        network, taken, sent = self.site.network, self.incoming(cut), self.outgoing(cut)
        busy_s = block.seconds + network.message_s * (taken.messages_taken + sent.messages_sent)
        bandwidth = self.site.bandwidth_of(device)
        own_link = not network.shared or device.bandwidth_bytes_per_s is not None
        link_s = max(taken.bytes_taken, sent.bytes_sent) / bandwidth if own_link else 0.0
        slower = max(0.0, 1 / bandwidth - 1 / network.bandwidth_bytes_per_s)
        watts = dynamic_w(device)
        return NodeCost(
            compute_s=block.seconds,
            latency_s=block.seconds + (taken.bytes_taken + sent.bytes_sent) * slower,
            busy_s=busy_s,
            period_s=max(busy_s, link_s, _LEAST_S),
            dynamic_j=None if watts is None else watts * busy_s,
            block=block,
        )

    def _hop_s(self, found: Traffic) -> float:
        network = self.site.network
        # On links of their own senders send at the same time, and receivers take at the same time.
        sent = found.total_bytes if network.shared else max(found.bytes_sent, found.bytes_taken)
        messages = found.messages_sent + found.messages_taken
        return network.latency_s + sent / network.bandwidth_bytes_per_s + network.message_s * messages


def stage_cost(replicas: Sequence[Sequence[NodeCost]]) -> StageCost:
    """A stage whose replicas consist of these devices, one for each part; infinite where one of them cannot run it."""
    periods_s = [max(node.period_s for node in nodes) for nodes in replicas]
    if math.inf in periods_s:
        return StageCost(math.inf, math.inf, math.inf, None)
    rate = sum(1 / period_s for period_s in periods_s)
    dynamic_j: float | None = 0.0
    busy_s = latency_s = 0.0
    for period_s, nodes in zip(periods_s, replicas, strict=True):
        share = 1 / period_s / rate
        latency_s += share * max(node.latency_s for node in nodes)
        for node in nodes:
            busy_s += share * node.busy_s
            dynamic_j = None if dynamic_j is None or node.dynamic_j is None else dynamic_j + share * node.dynamic_j
    return StageCost(1 / rate, latency_s, busy_s, dynamic_j)


def dynamic_w(device: FarmDevice) -> float | None:
    """Watts above idling while a device computes; None is unknown."""
    idle_w, load_w = device.profile.device.idle_w, device.profile.device.load_w
    return None if idle_w is None or load_w is None else load_w - idle_w
