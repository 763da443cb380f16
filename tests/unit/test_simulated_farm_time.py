"""Farms under a simulated clock: every frame once, Little's law, the planner's own figures, the same seed the same."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulating import AIR, CHAIN, LINKS, SPLIT, scene_of

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.partition.paper import partition
from harness.partition.partition import Partition, Role
from harness.partition.split import Split
from harness.plan.assignment import Assignment, assignment_of
from harness.plan.cost import predict
from harness.plan.farm_file import alike
from harness.plan.network import network_called
from harness.plan.plan import QUEUE_FRAMES, make_plan
from harness.plan.site import Site
from harness.profile.shipped import shipped_profile
from harness.simulate.farm import simulate
from harness.simulate.outcome import Outcome
from harness.simulate.scene import Failures, Outage, Scene

ROOT = Path(__file__).parents[2]


def check_conservation(scene: Scene, outcome: Outcome) -> None:
    """Every frame was sent once, came back at most once, and no sooner than it was sent."""
    assert outcome.sent + outcome.dropped == scene.frames
    assert len({sample.frame for sample in outcome.samples}) == outcome.sent
    assert all(sample.replies in (0, 1) for sample in outcome.samples)
    assert all(sample.latency_s is None or sample.latency_s > 0 for sample in outcome.samples)
    assert outcome.returned == outcome.sent


def mean_under_way(outcome: Outcome) -> float:
    """Frames under way on average, from begin to end of the window."""
    return sum(outcome.latencies_s) / outcome.window_s


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([CHAIN, SPLIT]),
    st.sampled_from([LINKS, AIR]),
    st.integers(0, 3),
    st.integers(0, 10_000),
    st.sampled_from([None, 5.0, 60.0]),
    st.booleans(),
)
def test_every_frame_comes_back_once(
    assignment: Assignment, network: object, spares: int, seed: int, rate_fps: float | None, shared: bool
) -> None:
    """Proves that no frame is lost or counted twice, whatever fails and comes back while the farm adapts."""
    scene = scene_of(
        assignment,
        network=network,
        spares=spares,
        frames=80,
        rate_fps=rate_fps,
        jitter=0.3,
        seed=seed,
        cores=2 if shared else None,
        adapt=True,
        failures=Failures((Outage(0.2, 0, 1.5),), between_s=20.0, repair_s=2.0),
    )
    outcome = simulate(scene)
    check_conservation(scene, outcome)
    assert outcome.failures >= 1


def test_a_farm_that_may_not_change_loses_frames() -> None:
    """Control: where a device dies and nothing adapts, frames are lost, and the same check says so."""
    scene = scene_of(failures=Failures((Outage(0.5, 4),)))
    outcome = simulate(scene)
    assert 0 < outcome.returned < outcome.sent
    with pytest.raises(AssertionError):
        check_conservation(scene, outcome)


@pytest.mark.parametrize("network", [LINKS, AIR])
@pytest.mark.parametrize("in_flight", [1, 4, 12])
def test_little_s_law_holds(network: object, in_flight: int) -> None:
    """Proves that frames under way are throughput times latency, and in the closed loop as many as asked for."""
    outcome = simulate(scene_of(network=network, in_flight=in_flight, frames=1000, jitter=0.2, seed=3))
    mean_s = sum(outcome.latencies_s) / outcome.returned
    assert mean_under_way(outcome) == pytest.approx(outcome.ips * mean_s, rel=1e-9)
    assert mean_under_way(outcome) == pytest.approx(in_flight, rel=0.02)


def test_latencies_that_are_wrong_break_little_s_law() -> None:
    """Control: latencies that leave the wait for one role out are found out by it."""
    outcome = simulate(scene_of(in_flight=12, frames=1000))
    wrong = replace(
        outcome,
        samples=tuple(replace(one, sent_s=one.sent_s + 0.02) for one in outcome.samples),
    )
    assert mean_under_way(wrong) != pytest.approx(12, rel=0.02)


@pytest.mark.parametrize("name", ["alexnet-5", "vgg16-9", "vgg16-11"])
@pytest.mark.parametrize("network", ["wifi-n", "ethernet-100"])
def test_a_full_pipeline_has_the_planner_s_pace(name: str, network: str) -> None:
    """Proves that without jitter simulation and cost model agree: the pace when full, the time of a frame alone."""
    cut = partition(name)
    assignment, profile = assignment_of(cut), shipped_profile("rpi3")
    base = scene_of(assignment, graph=cut.graph, profile=profile, network=network_called(network), frames=400)
    planned = predict(cut.graph, base.site, assignment)
    assert simulate(base).ips == pytest.approx(planned.ips, rel=0.03)
    alone = simulate(replace(base, in_flight=1, frames=20, warmup=0))
    assert alone.latencies_s[5] == pytest.approx(planned.latency_s, rel=0.01)
    if planned.energy is not None:
        energy = simulate(base).energy
        assert energy is not None
        assert energy.total_j == pytest.approx(planned.energy.total_j, rel=0.03)


def test_another_plan_is_told_apart_from_the_planner_s() -> None:
    """Control: the pace of AlexNet on six devices is not that of five."""
    five, six = (
        simulate(
            scene_of(
                assignment_of(partition(name)),
                graph=partition(name).graph,
                profile=shipped_profile("rpi3"),
                network=network_called("ethernet-100"),
            )
        ).ips
        for name in ("alexnet-5", "alexnet-6")
    )
    assert six != pytest.approx(five, rel=0.1)


def test_an_open_loop_below_the_pace_waits_for_nobody() -> None:
    """Proves that frames at a slow rate have the latency of a frame alone, and at a fast one are dropped."""
    slow = simulate(scene_of(CHAIN, rate_fps=5.0, frames=100))
    assert slow.dropped == 0
    assert max(slow.latencies_s) == pytest.approx(0.1, rel=1e-6)  # 0.03 + 0.04 + 0.03
    fast = scene_of(CHAIN, rate_fps=100.0, frames=400)
    outcome = simulate(fast)
    assert outcome.dropped > 0
    check_conservation(fast, outcome)
    assert max(outcome.latencies_s) <= QUEUE_FRAMES * 0.04 + 0.1


def test_parts_that_read_something_of_their_own_are_joined_for_each() -> None:
    """Proves that a picture in rows with halos comes back once for each frame, and carries what its edges say."""
    graph = partition("alexnet-5").graph
    names = tuple(layer.name for layer in graph.layers)
    at = names.index("conv2")
    split = Role("b", names[at : at + 1], parts=2, split=Split.ROWS)
    roles = (Role("a", names[:at]), split, Role("c", names[at + 1 :]))
    cut = Partition("rows", graph, roles)
    devices = alike(5, shipped_profile("rpi3"))
    hosts = {"initial": [str(devices[0].address)], "a": [str(devices[1].address)], "c": [str(devices[4].address)]}
    farm = FarmConfig.from_document({"node": {**hosts, "b": [str(one.address) for one in devices[2:4]]}}, "rows")
    site = Site(devices[0], tuple(devices[1:]), network_called("ethernet-100"))
    scene = Scene(make_plan(cut, farm), site, frames=50, jitter=0.1)
    outcome = simulate(scene)
    check_conservation(scene, outcome)
    assert outcome.carried_bytes == 50 * cut.frame_bytes
    assert outcome.messages == 50 * sum(edge.parts * edge.copies for edge in cut.edges)


def test_spares_take_over_where_the_farm_adapts() -> None:
    """Proves that a role whose only device dies goes on at a spare, with membership's and assignment's own rules."""
    outcome = simulate(scene_of(CHAIN, spares=1, adapt=True, failures=Failures((Outage(1.0, 1),)), frames=300))
    assert outcome.returned == 300
    assert outcome.tables == 1
    assert outcome.resent > 0
    assert outcome.ips > 10


_PRINT = """
import json, sys
from simulating import AIR, scene_of
from harness.simulate.farm import simulate
from harness.simulate.scene import Failures
scene = scene_of(network=AIR, spares=1, jitter=0.2, seed=int(sys.argv[1]), adapt=True, frames=150,
                 failures=Failures(between_s=10.0, repair_s=1.0))
print(json.dumps(simulate(scene).describe()))
"""


def test_a_seed_is_a_run_in_every_process() -> None:
    """Proves that the same seed gives the same figures whatever Python hashes by, and another seed others."""

    def figures(seed: int, hash_seed: str) -> object:
        environ = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
        ended = subprocess.run(
            [sys.executable, "-c", _PRINT, str(seed)], capture_output=True, text=True, env=environ, check=True
        )
        return json.loads(ended.stdout)

    assert figures(7, "1") == figures(7, "2")
    assert figures(7, "1") != figures(8, "1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames": 0},
        {"jitter": -0.1},
        {"jitter": math.nan},
        {"rate_fps": 0.0},
        {"rate_fps": math.inf},
        {"in_flight": QUEUE_FRAMES + 1},
        {"failures": Failures((Outage(0.0, 99),))},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """Proves that numbers that cannot be are told in one line before anything is simulated."""
    with pytest.raises(BadInputError):
        scene_of(**wrong)


def test_failures_that_cannot_be_are_refused() -> None:
    """Proves the same of failures."""
    for wrong in ((-1.0, 0), (math.nan, 0), (0.0, -1), (0.0, 0, 0.0), (0.0, 0, math.nan)):
        with pytest.raises(BadInputError):
            Outage(*wrong)
    for between_s, repair_s in ((0.0, 1.0), (math.nan, 1.0), (1.0, 0.0), (1.0, math.inf)):
        with pytest.raises(BadInputError):
            Failures(between_s=between_s, repair_s=repair_s)
