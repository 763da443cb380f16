"""The planner against every plan of small farms, random plans and the paper's own."""

import math
from itertools import pairwise
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning import NO_NETWORK, TINY, every_assignment, pi_farm, profile_of, site_of

from benchmarks.random_plans import random_assignment
from harness.errors import BadInputError, FarmError
from harness.models.catalogue import model
from harness.partition.paper import partition, partition_names
from harness.plan import exact
from harness.plan.assignment import assignment_of, partition_of
from harness.plan.cost import predict
from harness.plan.network import Network
from harness.plan.objective import OBJECTIVES, score
from harness.plan.planner import plan_model
from harness.plan.site import Site
from harness.plan.stage_cost import StageModel
from harness.profile.profile import Profile

SECONDS = st.lists(st.floats(0.01, 2.0), min_size=4, max_size=4)
NETWORKS = st.sampled_from(
    [
        NO_NETWORK,
        Network("slow links", 400.0, 0.01, 0.02, shared=False, source="made up"),
        Network("slow medium", 150.0, 0.05, 0.0, shared=True, source="made up"),
    ]
)


def best_of_all(site: Site, objective: str, max_latency_s: float = math.inf) -> float:
    """The least score of any assignment; infinite where none will do."""
    costs = StageModel(TINY, site)
    found = (predict(TINY, site, one, model=costs) for one in every_assignment(TINY, len(site.devices)))
    return min((score(one, objective) for one in found if one.latency_s <= max_latency_s), default=math.inf)


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=8, deadline=None)
@given(first=SECONDS, second=SECONDS, alike=st.booleans(), network=NETWORKS, memory=st.sampled_from([10**6, 560]))
def test_the_plan_is_the_best_of_all(
    objective: str, first: list[float], second: list[float], alike: bool, network: Network, memory: int
) -> None:
    """On three devices, alike or not, no assignment at all has a better score."""
    one = profile_of(first, memory_bytes=memory, swap_s_per_byte=0.01)
    other = profile_of(second, name="other", memory_bytes=memory, swap_s_per_byte=0.01)
    site = site_of([one, one, one] if alike else [one, other, one], network)
    planned = plan_model(TINY, site, objective=objective).best
    best = best_of_all(site, objective)
    assert planned.exact
    assert score(planned.prediction, objective) == pytest.approx(best, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(first=SECONDS, second=SECONDS, network=NETWORKS)
def test_the_best_energy_is_never_passed_over(first: list[float], second: list[float], network: Network) -> None:
    """Where three thresholds show which others are worth a look, the plan for energy is still the best of all."""
    site = site_of([profile_of(first), profile_of(second, name="other"), profile_of(first)], network)
    with patch.object(exact, "_FEW", 3):
        planned = plan_model(TINY, site, objective="energy").best
    assert planned.exact
    assert score(planned.prediction, "energy") == pytest.approx(best_of_all(site, "energy"), rel=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_most_assignments_are_worse_than_the_plan(objective: str) -> None:
    """The control of the search: an assignment taken at random would not have passed for the best."""
    site = site_of([profile_of([0.1, 0.2, 0.9, 0.3])] * 3, Network("m", 300.0, 0.2, 0.0, shared=True, source="made up"))
    costs = StageModel(TINY, site)
    scores = [score(predict(TINY, site, one, model=costs), objective) for one in every_assignment(TINY, 3)]
    assert sum(value > min(scores) * 1.001 for value in scores) > len(scores) / 2


@settings(max_examples=10, deadline=None)
@given(seconds=SECONDS, network=NETWORKS, share=st.floats(1.0, 3.0))
def test_a_latency_is_kept_to(seconds: list[float], network: Network, share: float) -> None:
    """With a bound on the latency the plan keeps to it, and where the search calls it exact none is quicker."""
    site = site_of([profile_of(seconds)] * 3, network)
    least_s = plan_model(TINY, site, objective="latency").best.prediction.latency_s
    planned = plan_model(TINY, site, max_latency_s=least_s * share).best
    assert planned.prediction.latency_s <= least_s * share * (1 + 1e-9)
    best = best_of_all(site, "throughput", least_s * share * (1 + 1e-9))
    assert planned.prediction.period_s >= best * (1 - 1e-9)
    if planned.exact:
        assert planned.prediction.period_s == pytest.approx(best, rel=1e-9)
    with pytest.raises(FarmError, match="the quickest takes"):
        plan_model(TINY, site, max_latency_s=least_s * 0.5)


@settings(max_examples=10, deadline=None)
@given(seconds=SECONDS, other=SECONDS, shared=st.booleans())
def test_a_plan_is_the_same_every_time_and_better_with_more_devices(
    seconds: list[float], other: list[float], shared: bool
) -> None:
    """Two searches give equal results, and no further device makes a farm slower."""
    network = Network("medium", 300.0, 0.01, 0.0, shared=shared, source="made up")
    site = site_of([profile_of(seconds), profile_of(other, name="other")] * 2 + [profile_of(seconds)], network)
    result = plan_model(TINY, site)
    assert result == plan_model(TINY, site)
    rates = [planned.prediction.ips for _, planned in sorted(result.by_devices.items())]
    assert all(after >= before * (1 - 1e-9) for before, after in pairwise(rates))
    for count, planned in result.by_devices.items():
        assert planned.assignment.nodes < count
        assert len(set(planned.assignment.used)) == planned.assignment.nodes


@pytest.mark.parametrize("name", partition_names())
def test_a_plan_is_as_quick_as_the_hand_made_ones_and_random_ones(name: str) -> None:
    """On the paper's farms the plan is at least as quick as the paper's cut and the best of 200 random plans."""
    cut = partition(name)
    site = pi_farm(cut.devices)
    planned = plan_model(cut.graph, site, every=False).best
    costs = StageModel(cut.graph, site)
    random = Random(cut.devices)
    others = [random_assignment(cut.graph, cut.devices - 1, random) for _ in range(200)]
    rates = [predict(cut.graph, site, one, model=costs).ips for one in [assignment_of(cut), *others]]
    assert planned.exact
    assert planned.prediction.ips >= max(rates) * (1 - 1e-9)
    assert planned.prediction.ips > 1.01 * sorted(rates)[len(rates) // 2], "most random plans are worse"


def test_vgg16_on_eleven_devices_is_cut_as_in_the_paper() -> None:
    """The Pi's profile leads to the paper's own cut: seven times all convolutions, fc1 in halves."""
    planned = plan_model(model("vgg16"), pi_farm(11), every=False).best
    assert partition_of(planned.assignment, model("vgg16")).name == "vgg16-11"


@pytest.mark.parametrize("name", ["alexnet-5", "alexnet-6"])
def test_the_paper_cut_alexnet_for_the_latency_of_a_frame(name: str) -> None:
    """With whole convolutions the paper's cut of AlexNet is the quickest way of a frame over wires, not over WiFi."""
    cut = partition(name)
    site = pi_farm(cut.devices, "ethernet-100")
    wired = plan_model(cut.graph, site, objective="latency", every=False, conv_splits=False).best
    assert partition_of(wired.assignment, cut.graph).name == name
    wireless = plan_model(cut.graph, pi_farm(cut.devices), objective="latency", every=False).best
    assert len(wireless.assignment.stages) == 1


def test_alexnet_is_better_whole_on_every_device_than_cut_as_in_the_paper() -> None:
    """AlexNet fits a Pi, and four whole ones are quicker than the paper's cut on four."""
    graph, site = model("alexnet"), pi_farm(5)
    planned = plan_model(graph, site, every=False).best
    assert [(stage.parts, len(stage.replicas)) for stage in planned.assignment.stages] == [(1, 4)]
    paper = predict(graph, site, assignment_of(partition("alexnet-5")))
    assert planned.prediction.ips > 2 * paper.ips


@settings(max_examples=8, deadline=None)
@given(first=SECONDS, second=SECONDS, network=NETWORKS)
def test_a_bounded_plan_is_near_the_best(first: list[float], second: list[float], network: Network) -> None:
    """Bounded search never beats the exact one, runs everywhere, and says that it is bounded."""
    site = site_of([profile_of(first)] * 5 + [profile_of(second, name="other")] * 2, network)
    exact, bounded = plan_model(TINY, site), plan_model(TINY, site, exact=False)
    for count, planned in exact.by_devices.items():
        assert bounded.by_devices[count].prediction.ips <= planned.prediction.ips * (1 + 1e-9)
    assert not bounded.best.exact
    assert bounded.best.prediction.ips > 0.5 * exact.best.prediction.ips


def test_devices_of_one_kind_are_planned_nearly_as_well_within_bounds() -> None:
    """On a farm that both can plan, bounded search is within its step of one per cent everywhere."""
    site = pi_farm(14)
    exact = plan_model(model("vgg16"), site)
    bounded = plan_model(model("vgg16"), site, exact=False)
    for count, planned in exact.by_devices.items():
        assert bounded.by_devices[count].prediction.ips >= 0.99 * planned.prediction.ips


def test_a_large_farm_has_a_plan_for_every_number_of_devices() -> None:
    """Two hundred devices of two kinds: no number without a plan, and none slower than a smaller one."""
    kinds = [profile_of([0.1, 0.2, 0.9, 0.3]), profile_of([0.05, 0.1, 0.5, 0.1], name="other")]
    result = plan_model(TINY, site_of([*kinds] * 100))
    assert sorted(result.by_devices) == list(range(2, 202))
    rates = [result.by_devices[count].prediction.ips for count in range(2, 202)]
    assert rates == sorted(rates)
    assert not result.best.exact


def without_fit(profile: Profile) -> Profile:
    """A profile that knows neither layer nor kind of anything."""
    return Profile("empty", profile.device, {}, {})


def test_frames_in_flight_bound_the_pace_of_a_large_farm() -> None:
    """A hundred devices do no more than 64 frames in flight let them, and no plan is called exact; of ten, one is."""
    found = plan_model(model("alexnet"), pi_farm(101), every=False).best
    prediction = found.prediction
    assert prediction.ips == pytest.approx(64 / prediction.latency_s)
    assert (prediction.bottleneck, found.exact) == ("the bound of 64 frames in flight", False)
    assert max(prediction.stage_periods_s) < prediction.period_s
    few = plan_model(model("alexnet"), pi_farm(11), every=False).best
    assert few.exact
    assert few.prediction.period_s == max(few.prediction.stage_periods_s)


def test_what_cannot_be_planned_is_one_line() -> None:
    """Each problem is an error of one line, with the nearest way out where there is one."""
    seconds = [0.1, 0.1, 1.0, 0.1]
    good = site_of([profile_of(seconds)] * 2)
    tight = site_of([profile_of(seconds, memory_bytes=1000 // 3)])
    cases = [
        (lambda: plan_model(TINY, good, objective="beauty"), BadInputError, "unknown objective 'beauty'"),
        (lambda: plan_model(TINY, good, max_latency_s=math.nan), BadInputError, "latency of nan"),
        (lambda: plan_model(TINY, good, max_latency_s=-1.0), BadInputError, "latency of -1"),
        (
            lambda: plan_model(TINY, site_of([profile_of(seconds, watts=None)]), objective="energy"),
            BadInputError,
            "watts",
        ),
        (lambda: plan_model(TINY, site_of([without_fit(profile_of(seconds))])), BadInputError, "no figure for scale"),
        (lambda: plan_model(TINY, Site(good.initial, (), good.network)), BadInputError, "no farm"),
        (lambda: plan_model(TINY, tight), FarmError, "the nearest plan takes"),
        (lambda: plan_model(TINY, site_of([profile_of(seconds, memory_bytes=60)])), FarmError, "would do"),
        (lambda: Network("none", 0.0, 0.0, 0.0, shared=True, source="x"), BadInputError, "bandwidth of 0"),
        (lambda: Network("nan", math.nan, 0.0, 0.0, shared=True, source="x"), BadInputError, "bandwidth of nan"),
        (lambda: Network("late", 1.0, -1.0, 0.0, shared=True, source="x"), BadInputError, "latency_s is -1"),
    ]
    for act, kind, said in cases:
        with pytest.raises(kind) as caught:
            act()
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
