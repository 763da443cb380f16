"""The profile of this machine: every layer and part is measured, and plans can be made of it."""

from planning import site_of

from harness.bench.layer_profile import profile_host
from harness.bench.progress import Silent
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.plan.planner import plan_model
from harness.profile.profile import Profile, profile_document, profile_from
from harness.profile.times import BlockTimes
from harness.records.computing import Wanted

GRAPH = ModelGraph(
    "little",
    "Little",
    (12, 12, 3),
    (
        Rescale("rescale", (FRAME,), scale=1 / 255),
        Conv2D("conv", ("rescale",), 4, (3, 3)),
        MaxPool2D("pool", ("conv",)),
        Flatten("flatten", ("pool",)),
        Dense("fc", ("flatten",), 8),
        Dense("out", ("fc",), 5, "softmax"),
    ),
)


class Counting(Silent):
    """Counts what is told of."""

    def __init__(self) -> None:
        self.told = 0
        self.total: int | None = None

    def phase(self, name: str, total: int | None = None) -> None:
        """Keep the total."""
        assert name
        self.total = total

    def frame(self) -> None:
        """One more."""
        self.told += 1


def measured(progress: Silent) -> Profile:
    """Little's profile, quickly."""
    return profile_host(
        GRAPH,
        wanted=Wanted(way="function"),
        threads=1,
        seed=1,
        layer_s=0.001,
        idle_w=2.0,
        load_w=None,
        progress=progress,
    )


def test_every_layer_of_this_machine_is_measured() -> None:
    """Each layer has warm and cold seconds, dense ones also in parts; what was not measured is unknown."""
    progress = Counting()
    profile = measured(progress)
    figures = profile.models["little"].layers
    assert {(one.layer, one.parts) for one in figures} == {
        *((layer.name, 1) for layer in GRAPH.layers),
        ("fc", 2),
        ("fc", 4),
    }
    assert progress.told == progress.total == len(figures) + 1
    for one in figures:
        assert one.basis == "measured"
        assert one.warm_s > 0
        assert one.cold_s is not None
        assert one.cold_s > 0
        assert one.page_faults is not None
        assert one.cache_misses is None
        assert one.swapping_s is None
    assert profile.models["little"].whole_s is not None
    assert (profile.device.idle_w, profile.device.load_w) == (2.0, None)
    assert profile.device.sources["load_w"] == "unknown"
    assert profile.device.runtime_bytes > 50_000_000
    assert set(profile.fits) == {"Rescale", "Conv2D", "MaxPool2D", "Flatten", "Dense"}
    assert profile_from(profile_document(profile), "host.json") == profile
    assert BlockTimes(profile, GRAPH).block(["fc"], 8).basis == "extrapolated"
    assert BlockTimes(profile, GRAPH).block(["fc"], 2).basis == "measured"
    planned = plan_model(GRAPH, site_of([profile, profile])).best
    assert planned.prediction.ips > 0
    assert planned.prediction.energy is None
