"""What one stage of a pipeline costs: the formulas that prediction and search share (pure).

A stage is a run of layers between two cuts. Its devices compute a frame, take its messages and send its outputs; a
frame is done when the slowest part is. Replicas take frames as they become free, so their rates add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from harness.models.graph import FRAME, ModelGraph
from harness.plan.site import FarmDevice, Site
from harness.profile.times import BlockTime, BlockTimes

_LEAST_S: Final = 1e-9
"""No device takes more than a billion frames per second."""


@dataclass(frozen=True)
class Cut:
    """The layers of a stage, and how its neighbours and itself are split.

    Attributes:
        begin: number of the first layer.
        end: number behind the last one.
        parts: into which it is split.
        parts_before: messages in which its input comes.
        parts_after: devices that need each output: parts of the next stage, 1 for the initial.
    """

    begin: int
    end: int
    parts: int = 1
    parts_before: int = 1
    parts_after: int = 1


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

    Raises:
        BadInputError: a profile has figures of another model of that name.
    """

    def __init__(self, graph: ModelGraph, site: Site) -> None:
        self.graph = graph
        self.site = site
        self.names = tuple(layer.name for layer in graph.layers)
        self._times: list[tuple[FarmDevice, BlockTimes]] = []
        self._nodes: dict[tuple[int, Cut], NodeCost] = {}
        self._kind = {number: kind for kind, numbers in enumerate(site.kinds) for number in numbers}
        for numbers in site.kinds:
            device = site.devices[numbers[0]]
            self._times.append((device, BlockTimes(device.profile, graph)))

    def layers(self, cut: Cut) -> tuple[str, ...]:
        """Names of a stage's layers."""
        return self.names[cut.begin : cut.end]

    def input_bytes(self, cut: Cut) -> int:
        """Of the tensor that every device of a stage needs."""
        return self.graph.output_bytes(self.names[cut.begin - 1] if cut.begin else FRAME)

    def output_bytes(self, cut: Cut) -> int:
        """Of the tensor that all parts of a stage make together."""
        return self.graph.output_bytes(self.names[cut.end - 1])

    def node(self, kind: int, cut: Cut) -> NodeCost:
        """One device of a kind in a stage."""
        key = (kind, cut)
        if key not in self._nodes:
            self._nodes[key] = self._node(kind, cut)
        return self._nodes[key]

    def node_of(self, number: int, cut: Cut) -> NodeCost:
        """A device, by its number at the site, in a stage."""
        return self.node(self._kind[number], cut)

    def hop_s(self, cut: Cut) -> float:
        """Seconds from the end of the stage before (or the initial) to the begin of this one, without waiting."""
        return self._hop_s(self.input_bytes(cut), cut.parts_before, cut.parts)

    def last_hop_s(self, cut: Cut) -> float:
        """Seconds from the end of the last stage back to the initial."""
        return self._hop_s(self.output_bytes(cut), cut.parts, 1)

    def medium_s(self, cut: Cut) -> float:
        """Seconds for which the input of a stage keeps a shared medium busy; 0 where none is shared."""
        network = self.site.network
        return self.input_bytes(cut) * cut.parts / network.bandwidth_bytes_per_s if network.shared else 0.0

    def last_medium_s(self, cut: Cut) -> float:
        """The same for the result."""
        network = self.site.network
        return self.output_bytes(cut) / network.bandwidth_bytes_per_s if network.shared else 0.0

    def sending_s(self, first_parts: int) -> float:
        """Seconds for which the initial, or its link, is busy with sending a frame."""
        network, frame_bytes = self.site.network, self.graph.output_bytes(FRAME)
        link_s = 0.0 if network.shared else frame_bytes * first_parts / self.site.bandwidth_of(self.site.initial)
        return max(network.message_s * first_parts, link_s)

    def receiving_s(self, cut: Cut) -> float:
        """Seconds for which the initial, or its link, is busy with taking a result."""
        network = self.site.network
        link_s = 0.0 if network.shared else self.output_bytes(cut) / self.site.bandwidth_of(self.site.initial)
        return max(network.message_s * cut.parts, link_s)

    @cached_property
    def initial_idle_w(self) -> float | None:
        """Watts of the initial while it idles; None is unknown."""
        return self.site.initial.profile.device.idle_w

    def initial_busy_s(self, first_parts: int, last_parts: int) -> float:
        """Processor time of the initial for one frame."""
        return self.site.network.message_s * (first_parts + last_parts)

    def initial_dynamic_j(self, first_parts: int, last_parts: int) -> float | None:
        """Energy of the initial above idling for one frame; None is unknown."""
        watts = dynamic_w(self.site.initial)
        return None if watts is None else watts * self.initial_busy_s(first_parts, last_parts)

    def _node(self, kind: int, cut: Cut) -> NodeCost:
        device, times = self._times[kind]
        block = times.block(self.layers(cut), cut.parts, memory_bytes=device.memory_bytes)
        network = self.site.network
        busy_s = block.seconds + network.message_s * (cut.parts_before + cut.parts_after)
        received, sent = self.input_bytes(cut), self.output_bytes(cut) // cut.parts * cut.parts_after
        bandwidth = self.site.bandwidth_of(device)
        own_link = not network.shared or device.bandwidth_bytes_per_s is not None
        link_s = max(received, sent) / bandwidth if own_link else 0.0
        slower_s = (received + sent) * max(0.0, 1 / bandwidth - 1 / network.bandwidth_bytes_per_s)
        watts = dynamic_w(device)
        return NodeCost(
            compute_s=block.seconds,
            latency_s=block.seconds + slower_s,
            busy_s=busy_s,
            period_s=max(busy_s, link_s, _LEAST_S),
            dynamic_j=None if watts is None else watts * busy_s,
            block=block,
        )

    def _hop_s(self, whole_bytes: int, parts_before: int, parts: int) -> float:
        network = self.site.network
        # On links of their own senders send at the same time, and receivers take at the same time.
        sent = whole_bytes * parts if network.shared else max(whole_bytes // parts_before * parts, whole_bytes)
        return network.latency_s + sent / network.bandwidth_bytes_per_s + network.message_s * (parts + parts_before)


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
