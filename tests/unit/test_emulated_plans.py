"""What runs beside a plan on an imitated farm, and what is said where a run is missing."""

from __future__ import annotations

import pytest
from simulating import scene_of

from benchmarks.emulated_plans import PAPER, PLANNED, Contestant, Measured, contestants, goals
from harness.partition.paper import partition
from harness.simulate.against import Asked, Prediction
from harness.simulate.farm import simulate


def test_every_contestant_is_another_assignment() -> None:
    """Proves that no two farms of a comparison are alike but for names, and that each has addresses of its own."""
    found = contestants(partition("alexnet-5"), 3, 1)
    assert [one.title for one in found][:2] == [PAPER, PLANNED]
    assert len({one.roles() for one in found}) == len(found) == 5
    addresses = [str(device.address) for one in found for device in (one.site.initial, *one.site.devices)]
    assert len(set(addresses)) == len(addresses)
    assert max(one.planned.ips for one in found) == found[1].planned.ips


def test_a_plan_that_is_the_papers_cut_runs_once() -> None:
    """Proves that eleven devices of VGG16 have one contestant for both names; five of AlexNet, the control, two."""
    assert [one.title for one in contestants(partition("vgg16-11"), 0, 1)] == [f"{PAPER} = {PLANNED}"]
    assert len(contestants(partition("alexnet-5"), 0, 1)) == 2


def measured(one: Contestant, times: float) -> Measured:
    """A contestant whose run was so many times as fast as the simulation beside it."""
    outcome = simulate(scene_of())
    ips = outcome.metrics["ips"] * times
    return Measured(one, Prediction(Asked("x", scene_of().plan, 200, None, None, None, {"ips": ips}), outcome))


def test_the_plan_is_held_against_the_best_other_one() -> None:
    """Proves that the ratio is to the best of the others, and unknown where one of them was not measured."""
    paper, planned, other = contestants(partition("alexnet-5"), 1, 1)
    found = [measured(paper, 2.0), measured(planned, 3.0), measured(other, 2.5)]
    ratio, *rest = goals(found, set())
    assert (ratio.value, ratio.met) == (pytest.approx(3.0 / 2.5), True)
    assert next(goal.value for goal in rest if goal.text == "ips: largest error of 3 predictions") == pytest.approx(
        200 / 3
    )
    worse, *_ = goals([*found[1:], measured(paper, 4.0)], set())
    assert worse.met is False
    unknown, *_ = goals(found[:2], {"alexnet-5"})
    assert (unknown.value, unknown.met) == (None, None)
