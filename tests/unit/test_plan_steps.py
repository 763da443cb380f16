"""The steps of the exact search: the formulas of one stage, and which of them are enough."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning import TINY, profile_of, site_of

from harness.plan.network import Network
from harness.plan.stage_cost import NodeCost, StageModel, stage_cost
from harness.plan.stages import stages_from
from harness.plan.steps import Counts, Steps, steps_of
from harness.plan.way import Cut

SECONDS = st.lists(st.floats(0.01, 2.0), min_size=4, max_size=4)
SHARED = st.sampled_from(["medium", "cores", "nothing"])


def two_kinds(first: list[float], second: list[float], shared: str) -> StageModel:
    """Three devices of one kind, which swap with the largest layer, and two of another."""
    network = Network("made up", 300.0, 0.01, 0.002, shared=shared == "medium", source="made up")
    one, other = profile_of(first, memory_bytes=560, swap_s_per_byte=0.01), profile_of(second, name="other")
    cores = 2 if shared == "cores" else None
    return StageModel(TINY, site_of([one, other, one, one, other], network, shared_cores=cores))


def shared_s(model: StageModel, cut: Cut, busy_s: float) -> float:
    """What a stage takes of the medium, or of two cores, for a frame."""
    last = cut.end == len(model.names)
    if model.site.network.shared:
        return model.medium_s(cut) + (model.last_medium_s(cut) if last else 0.0)
    if model.site.shared_cores is None:
        return 0.0
    ends = (model.incoming(cut).messages if cut.begin == 0 else 0) + (model.outgoing(cut).messages if last else 0)
    return (busy_s + 0.002 * ends) / 2


def replicas(nodes: list[NodeCost], counts: Counts, parts: int) -> list[list[NodeCost]]:
    """The quickest devices together."""
    devices = sorted(
        (node for node, count in zip(nodes, counts, strict=True) for _ in range(count)), key=lambda n: n.period_s
    )
    return [devices[begin : begin + parts] for begin in range(0, len(devices), parts)]


def rows(steps: Steps) -> range:
    """Numbers of all steps."""
    return range(len(steps.period_s))


@settings(max_examples=20)
@given(first=SECONDS, second=SECONDS, shared=SHARED)
def test_a_step_costs_what_its_stage_does(first: list[float], second: list[float], shared: str) -> None:
    """All at once give what `stage_cost` gives one by one, and no number of devices that runs a stage is missing."""
    model = two_kinds(first, second, shared)
    steps = steps_of(model, stages_from(model))
    seen = set()
    for row in rows(steps):
        (_, target, cut), counts = steps.at(row)
        seen.add((cut, counts))
        nodes = [model.node(kind, cut) for kind in range(2)]
        cost = stage_cost(replicas(nodes, counts, cut.parts))
        hops_s = model.hop_s(cut) + (model.last_hop_s(cut) if target < 0 else 0.0)
        ends_s = (model.sending_s(cut) if cut.begin == 0 else 0.0, model.receiving_s(cut) if target < 0 else 0.0)
        assert steps.period_s[row] == pytest.approx(max(cost.period_s, *ends_s), rel=1e-12)
        assert steps.adds["latency"][row] == pytest.approx(cost.latency_s + hops_s, rel=1e-12)
        assert steps.adds["dynamic"][row] == pytest.approx(cost.dynamic_j, rel=1e-12)
        assert steps.adds["shared"][row] == pytest.approx(shared_s(model, cut, cost.busy_s), rel=1e-12)
    cuts = [cut for _, cuts in stages_from(model) for cut in cuts]
    runs = {(cut, c) for cut in cuts for c in steps.counts if sum(c) % cut.parts == 0}
    assert seen == {
        (cut, counts)
        for cut, counts in runs
        if math.isfinite(stage_cost(replicas([model.node(kind, cut) for kind in range(2)], counts, cut.parts)).period_s)
    }


@settings(max_examples=20)
@given(first=SECONDS, second=SECONDS, shared=SHARED)
def test_fewer_devices_are_enough_where_they_are_said_to_be(
    first: list[float], second: list[float], shared: str
) -> None:
    """From the threshold on, another step of the same stage takes fewer of each kind and adds no more."""
    model = two_kinds(first, second, shared)
    steps = steps_of(model, stages_from(model))
    others: dict[int, list[int]] = {}
    for row in rows(steps):
        others.setdefault(int(steps.edge[row]), []).append(row)
    said = 0
    for name, enough_s in steps.enough_s.items():
        for row in rows(steps):
            counts = steps.at(row)[1]
            fewer = [
                other
                for other in others[int(steps.edge[row])]
                if other != row
                and all(less <= have for less, have in zip(steps.at(other)[1], counts, strict=True))
                and steps.adds[name][other] <= steps.adds[name][row] * (1 + 1e-9)
            ]
            if enough_s[row] < math.inf:
                said += 1
                assert min(steps.period_s[other] for other in fewer) <= enough_s[row]
    assert said > 0


def test_one_that_adds_more_is_not_enough() -> None:
    """The control: quick devices that need more energy are kept beside slow ones that need less, and the other way."""
    slow, quick = profile_of([1.0] * 4, watts=(1.0, 1.1)), profile_of([0.5] * 4, name="other", watts=(1.0, 9.0))
    model = StageModel(TINY, site_of([slow, quick], Network("n", 300.0, 0.0, 0.0, shared=True, source="made up")))
    steps = steps_of(model, stages_from(model))
    both = [row for row in rows(steps) if steps.at(row)[1] == (1, 1) and steps.at(row)[0].cut.parts == 1]
    for row in both:
        edge = steps.edge[row]
        alone = {steps.at(other)[1]: other for other in rows(steps) if steps.edge[other] == edge}
        assert steps.enough_s["dynamic"][row] == steps.period_s[alone[1, 0]]
        assert steps.enough_s["latency"][row] == steps.period_s[alone[0, 1]]
        assert steps.adds["dynamic"][alone[0, 1]] > steps.adds["dynamic"][row]
    assert both


def test_replicas_of_slow_and_quick_devices_cost_something_else() -> None:
    """The control: two of either kind in pairs, the quickest not together, have another period."""
    model = two_kinds([0.1] * 4, [1.9] * 4, "nothing")
    steps = steps_of(model, stages_from(model))
    pairs = [row for row in rows(steps) if steps.at(row)[0].cut.parts == 2 and steps.at(row)[1] == (2, 2)]
    for row in pairs:
        one, other = (model.node(kind, steps.at(row)[0].cut) for kind in range(2))
        mixed = stage_cost([[one, other], [one, other]])
        assert mixed.period_s != pytest.approx(steps.period_s[row], rel=1e-3)
    assert pairs
