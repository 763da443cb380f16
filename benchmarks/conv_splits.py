"""What splits of convolutions do to plans, beside published times: `python -m benchmarks.conv_splits`, a minute.

No farm runs here: these are the answers of the cost model, from the profile of the Raspberry Pi 3.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks.plans import site
from harness.models.catalogue import model
from harness.models.graph import Conv2D
from harness.models.split import Split
from harness.plan.assignment import partition_of
from harness.plan.explain import seconds
from harness.plan.network import network_called
from harness.plan.objective import Planned
from harness.plan.planner import PlanResult, plan_model
from harness.plan.site import Site
from harness.plan.stage_cost import StageModel
from harness.plan.way import WHOLE, Way
from harness.profile.published_figures import VGG16_CONV_SPLITS_S, VGG16_CONV_WHOLE_S

_MODELS = ("alexnet", "vgg16")
_NETWORKS = ("ethernet-100", "wifi-n")
_DEVICES = range(4, 13)


@dataclass(frozen=True)
class PublishedSplit:
    """The convolutions of VGG16, each split by itself: the slowest parts, added up.

    Attributes:
        split: how.
        parts: into how many.
        whole_s: of all convolutions unsplit, by the profile.
        parts_s: of their slowest parts, by the cost model.
        published_s: what the authors measured.
    """

    split: Split
    parts: int
    whole_s: float
    parts_s: float
    published_s: float

    @property
    def error(self) -> float:
        """Of the model, relative to what was measured."""
        return self.parts_s / self.published_s - 1


def published_splits() -> list[PublishedSplit]:
    """The three splits that were published, and what the cost model says of them."""
    graph = model("vgg16")
    costs = StageModel(graph, site(2, ["rpi3"]), conv_splits="none")
    numbers = [number for number, layer in enumerate(graph.layers) if isinstance(layer, Conv2D)]

    def total_s(way: Way) -> float:
        return sum(costs.block(0, number, number + 1, way).seconds for number in numbers)

    return [
        PublishedSplit(Split(split), parts, total_s(WHOLE), total_s(Way(parts, Split(split))), published_s)
        for split, (parts, published_s) in VGG16_CONV_SPLITS_S.items()
    ]


def main() -> int:
    """Print the model beside published times, and plans with and without splits; 1 where one made a plan worse."""
    print("| VGG16's convolutions on Pis | parts | model | published | error | quicker: model | published |")
    print("|---|---|---|---|---|---|---|")
    for one in published_splits():
        print(
            f"| {one.split} | {one.parts} | {one.parts_s:.3f} s | {one.published_s:.3f} s | {one.error:+.1%} "
            f"| {one.whole_s / one.parts_s:.2f} | {VGG16_CONV_WHOLE_S / one.published_s:.2f} |"
        )
    print()
    print("| model | network | devices | latency | without splits | | roles |")
    print("|---|---|---|---|---|---|---|")
    worse = [_lines(name, network) for name in _MODELS for network in _NETWORKS]
    return int(any(worse))


def _lines(name: str, network: str) -> bool:
    alike = site(max(_DEVICES), ["rpi3"])
    farm = Site(alike.initial, alike.devices, network_called(network))
    found: list[PlanResult] = [
        plan_model(model(name), farm, objective="latency", conv_splits=wanted) for wanted in (True, False)
    ]
    worse = False
    for count in _DEVICES:
        split, whole = (one.by_devices[count] for one in found)
        before_s, after_s = whole.prediction.latency_s, split.prediction.latency_s
        worse |= after_s > before_s * (1 + 1e-9)
        print(
            f"| {name} | {network} | {count} | {seconds(after_s)} | {seconds(before_s)} "
            f"| {after_s / before_s - 1:+.0%} | {_roles(name, split)} |"
        )
    return worse


def _roles(name: str, planned: Planned) -> str:
    found = []
    for role in partition_of(planned.assignment, model(name)).roles:
        layers = role.layers[0] if len(role.layers) == 1 else f"{role.layers[0]}..{role.layers[-1]}"
        split = f" in {role.parts} {role.split}" if role.parts > 1 else ""
        found.append(f"{layers}{split}{f' x{role.replicas}' if role.replicas > 1 else ''}")
    return ", ".join(found)


if __name__ == "__main__":
    sys.exit(main())
