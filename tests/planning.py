"""Small models, devices and sites to plan for, and every plan of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from harness.farm.config import Address
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.plan.assignment import Assignment, Stage
from harness.plan.cuts import candidate_ways, cut_points, may_follow
from harness.plan.network import Network, network_called
from harness.plan.site import FarmDevice, Site
from harness.profile.profile import Device, Fit, LayerFigure, ModelFigures, Profile, Swap
from harness.profile.shipped import shipped_profile

TINY = ModelGraph(
    "tiny",
    "Tiny",
    (4, 4, 1),
    (
        Rescale("scale", (FRAME,), scale=0.5),
        Flatten("flat", ("scale",)),
        Dense("fc", ("flat",), units=6),
        Dense("out", ("fc",), units=4, activation="softmax"),
    ),
)
"""Four layers, of which one can be split into 2, 3 or 6 parts."""
PICTURES = ModelGraph(
    "pictures",
    "Pictures",
    (8, 8, 2),
    (
        Conv2D("conv1", (FRAME,), filters=4, kernel_size=(3, 3)),
        MaxPool2D("pool1", ("conv1",)),
        Conv2D("conv2", ("pool1",), filters=5, kernel_size=(3, 3)),
        Conv2D("conv3", ("conv2",), filters=3, kernel_size=(3, 3)),
        Flatten("flat", ("conv3",)),
        Dense("out", ("flat",), units=3, activation="softmax"),
    ),
)
"""Six layers: two tiles of rows, convolutions to split by filters and channels, parts of unequal size."""
NO_NETWORK = Network("none", 1e12, 0.0, 0.0, shared=False, source="made up")


def profile_of(
    seconds: Sequence[float],
    *,
    name: str = "made-up",
    graph: ModelGraph = TINY,
    memory_bytes: int = 10**6,
    watts: tuple[float, float] | None = (1.0, 5.0),
    swap_s_per_byte: float | None = None,
    kinds: Sequence[str] = ("Dense", "Conv2D", "MaxPool2D", "Flatten"),
) -> Profile:
    """A profile with these seconds for the layers of a model; parts of dense layers need their share and a bit."""
    figures = tuple(
        LayerFigure(layer.name, 1, value, None, None, None, None, None, "measured", "made up")
        for layer, value in zip(graph.layers, seconds, strict=True)
    )
    per = {"Dense": {"one": 1e-3, "parameters": 1e-3}, "Conv2D": {"one": 0.1, "macs": 1e-4, "input_bytes": 1e-4}}
    fits = {kind: Fit(per.get(kind, {"one": 1e-3, "output_bytes": 1e-4}), 2, None, None, "made up") for kind in kinds}
    swap = None if swap_s_per_byte is None else Swap(swap_s_per_byte, "measured", "made up")
    idle_w, load_w = watts or (None, None)
    device = Device("Made up", 1, memory_bytes, 0, 2.0, idle_w, load_w, swap, {})
    models = {graph.name: ModelFigures(graph.digest(), figures, None, "")}
    return Profile(name, device, models, fits)


def site_of(profiles: Sequence[Profile], network: Network = NO_NETWORK, *, shared_cores: int | None = None) -> Site:
    """A site with a device for each profile, and an initial of the first one's kind."""
    devices = tuple(
        FarmDevice(f"d{n}", one, one.device.memory_bytes, Address(f"127.9.{n // 250}.{n % 250 + 1}", 12345))
        for n, one in enumerate(profiles)
    )
    initial = FarmDevice("initial", profiles[0], profiles[0].device.memory_bytes, Address("127.8.0.1", 9999))
    return Site(initial, devices, network, shared_cores)


def pi_farm(devices: int, network: str = "wifi-n") -> Site:
    """So many Raspberry Pis, the initial included."""
    return site_of([shipped_profile("rpi3")] * (devices - 1), network_called(network))


def every_assignment(graph: ModelGraph, devices: int) -> Iterator[Assignment]:
    """Every way to put a model on devices: all cuts, all parts, all devices in all roles."""
    points = cut_points(graph)
    names = [layer.name for layer in graph.layers]
    inner = points[1:-1]
    for chosen in product((False, True), repeat=len(inner)):
        borders = [0, *(point for point, cut in zip(inner, chosen, strict=True) if cut), points[-1]]
        runs = list(pairwise(borders))
        for ways in product(*(candidate_ways(graph, names[begin:end]) for begin, end in runs)):
            if not all(may_follow(*pair) for pair in pairwise(ways)):
                continue
            parts = [way.parts for way in ways]
            for held in product(range(-1, len(runs)), repeat=devices):
                groups = [[n for n, stage in enumerate(held) if stage == number] for number in range(len(runs))]
                if any(not group or len(group) % split for group, split in zip(groups, parts, strict=True)):
                    continue
                for replicas in product(*(list(groupings(g, p)) for g, p in zip(groups, parts, strict=True))):
                    stages = [
                        Stage(begin, end, way.parts, replica, way.split)
                        for (begin, end), way, replica in zip(runs, ways, replicas, strict=True)
                    ]
                    yield Assignment(graph.name, tuple(stages))


def groupings(devices: Sequence[int], size: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to make groups of a size; the order of groups, and within them, makes no difference."""
    if not devices:
        yield ()
        return
    first, rest = devices[0], list(devices[1:])
    for others in _subsets(rest, size - 1):
        left = [one for one in rest if one not in others]
        for groups in groupings(left, size):
            yield ((first, *others), *groups)


def _subsets(items: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    if size == 0:
        yield ()
        return
    for at, item in enumerate(items):
        for rest in _subsets(items[at + 1 :], size - 1):
            yield (item, *rest)
