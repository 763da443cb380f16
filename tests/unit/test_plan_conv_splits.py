"""The planner's splits of convolutions: exact, never worse than without them, and true to what a farm will send."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planning import NO_NETWORK, PICTURES, every_assignment, pi_farm, profile_of, site_of

from benchmarks.conv_splits import published_splits
from benchmarks.random_plans import random_assignment
from harness.errors import FarmError
from harness.farm.config import FarmConfig
from harness.models.catalogue import model
from harness.models.split import Split
from harness.partition.paper import partition_for
from harness.partition.partition import INITIAL, Partition
from harness.partition.wire import Wire
from harness.plan import near
from harness.plan.assignment import partition_of
from harness.plan.cost import cuts_of, predict
from harness.plan.cuts import candidate_ways, may_follow
from harness.plan.exact import ExactPlanner
from harness.plan.explain import explain
from harness.plan.farm_file import assignments_document, farm_document, read_assignments
from harness.plan.near import Space, search_space
from harness.plan.network import Network, network_called
from harness.plan.objective import OBJECTIVES, Objective, score
from harness.plan.planner import plan_model
from harness.plan.stage_cost import StageModel
from harness.plan.stages import stages_from
from harness.plan.traffic import part_blocks, part_features
from harness.plan.way import WHOLE, Way
from harness.profile.shipped import shipped_profile
from harness.profile.times import BlockTimes

SECONDS = st.lists(st.floats(0.05, 2.0), min_size=len(PICTURES.layers), max_size=len(PICTURES.layers))
BOUND_S = 0.535
"""What AlexNet, whole on one Pi, just does not answer within over wires."""
NETWORKS = st.sampled_from(
    [
        NO_NETWORK,
        Network("links", 20_000.0, 0.002, 0.001, shared=False, source="made up"),
        Network("medium", 20_000.0, 0.01, 0.0, shared=True, source="made up"),
    ]
)


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=8, deadline=None)
@given(first=SECONDS, second=SECONDS, alike=st.booleans(), network=NETWORKS, memory=st.sampled_from([10**6, 6000]))
def test_no_plan_with_split_convolutions_is_better(
    objective: Objective, first: list[float], second: list[float], alike: bool, network: Network, memory: int
) -> None:
    """Of all plans on three devices, splits by rows, filters and channels among them, none has a better score."""
    one, other = (
        profile_of(seconds, name=name, graph=PICTURES, memory_bytes=memory, swap_s_per_byte=1e-3)
        for seconds, name in ((first, "one"), (second, "other"))
    )
    site = site_of([one, one, one] if alike else [one, other, one], network)
    costs = StageModel(PICTURES, site)
    found = [predict(PICTURES, site, each, model=costs) for each in every_assignment(PICTURES, 3)]
    best = min(score(each, objective) for each in found)
    planned = plan_model(PICTURES, site, objective=objective).best
    assert planned.exact
    assert score(planned.prediction, objective) == pytest.approx(best, rel=1e-7)


def test_a_split_is_the_best_of_all_where_messages_are_quick() -> None:
    """The control: without splits of convolutions the same farm is slower, for a frame and beyond."""
    site = site_of([profile_of([0.1, 1.0, 0.1, 1.0, 0.1, 0.1], graph=PICTURES)] * 3)
    split = plan_model(PICTURES, site, objective="latency").best
    whole = plan_model(PICTURES, site, objective="latency", conv_splits=False).best
    assert any(stage.way.of_convolutions for stage in split.assignment.stages)
    assert not any(stage.way.of_convolutions for stage in whole.assignment.stages)
    assert split.prediction.latency_s < 0.9 * whole.prediction.latency_s


@settings(max_examples=8, deadline=None)
@given(
    seconds=SECONDS,
    network=NETWORKS,
    objective=st.sampled_from(OBJECTIVES),
    share=st.one_of(st.none(), st.floats(0.6, 2.0)),
    memory=st.sampled_from([10**6, 6000]),
)
def test_more_to_choose_from_never_makes_a_plan_worse(
    seconds: list[float], network: Network, objective: Objective, share: float | None, memory: int
) -> None:
    """For each objective, with a latency to keep to or without, on every number of devices."""
    site = site_of([profile_of(seconds, graph=PICTURES, memory_bytes=memory, swap_s_per_byte=1e-3)] * 4, network)
    least_s = plan_model(PICTURES, site, objective="latency", conv_splits=False).best.prediction.latency_s
    most_s = None if share is None else share * least_s
    try:
        before = plan_model(PICTURES, site, objective=objective, max_latency_s=most_s, conv_splits=False)
    except FarmError:
        return
    after = plan_model(PICTURES, site, objective=objective, max_latency_s=most_s)
    for count, planned in before.by_devices.items():
        if planned.exact and after.by_devices[count].exact:
            better = score(after.by_devices[count].prediction, objective)
            assert better <= score(planned.prediction, objective) * (1 + 1e-7)


@pytest.mark.parametrize("network", ["ethernet-100", "wifi-n"])
def test_what_the_search_leaves_out_matters_to_no_plan(network: str) -> None:
    """On stages near the quickest way alone, plans of AlexNet are as quick as with all stages, on fewer steps."""
    graph, site = model("alexnet"), pi_farm(7, network)
    every = StageModel(graph, site, conv_splits="all")
    whole = Space(every, stages_from(every), complete=True)
    few = search_space(StageModel(graph, site, conv_splits="none"), "latency", None)
    assert few.complete
    assert 0 < few.steps < whole.steps / 10
    counts = range(1, 7)
    plans, others = (ExactPlanner(space, "latency", None).plans(counts) for space in (few, whole))
    for count in counts:
        one, other = plans[count].prediction, others[count].prediction
        assert (one.latency_s, one.period_s) == pytest.approx((other.latency_s, other.period_s), rel=1e-7)


def by_node(cut: Partition) -> list[tuple[list[int], list[int]]]:
    """For each role: the payloads that its busiest part takes and sends."""
    found = []
    for role in cut.roles:
        taken = [[one.payload_bytes(Wire.F32) for one in cut.messages(role.name, part)] for part in range(role.parts)]
        (tensor,) = cut.outputs(role.name)
        (target,) = cut.targets(tensor)
        copies = 1 if target == INITIAL or cut.role(target).cuts_inputs else cut.role(target).parts
        sent = [
            [one.payload_bytes(Wire.F32) for one in cut.sent(tensor, part, target)] * copies
            for part in range(role.parts)
        ]
        found.append(([max(map(len, taken)), max(map(sum, taken))], [max(map(len, sent)), max(map(sum, sent))]))
    return found


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(["alexnet", "vgg16", "pictures"]), devices=st.integers(3, 16), seed=st.integers(0, 10**6))
def test_what_is_predicted_to_travel_is_what_the_partition_sends(name: str, devices: int, seed: int) -> None:
    """Bytes and messages of a frame, of all nodes and of the busiest, are those of the messages of the farm."""
    graph = PICTURES if name == "pictures" else model(name)
    assignment = random_assignment(graph, devices - 1, Random(seed))
    cut = partition_of(assignment, graph)
    costs = StageModel(graph, site_of([shipped_profile("rpi3")] * (devices - 1), network_called("wifi-n")))
    cuts = cuts_of(assignment)
    crossings = [*(costs.incoming(one) for one in cuts), costs.outgoing(cuts[-1])]
    assert sum(one.total_bytes for one in crossings) == cut.frame_bytes
    assert sum(one.messages for one in crossings) == sum(edge.parts * edge.copies for edge in cut.edges)
    for one, (taken, sent) in zip(cuts, by_node(cut), strict=True):
        assert [costs.incoming(one).messages_taken, costs.incoming(one).bytes_taken] == taken
        assert [costs.outgoing(one).messages_sent, costs.outgoing(one).bytes_sent] == sent


def test_random_plans_have_every_kind_of_split() -> None:
    """The control of what random assignments show: each kind of split stands beside each other one now and then."""
    graph, random = model("alexnet"), Random(1)
    plans = [random_assignment(graph, 15, random).stages for _ in range(600)]
    pairs = {(a.split, b.split) for stages in plans for a, b in pairwise(stages)}
    beside = {(a, b) for a, b in pairs if Split.COLUMNS not in {a, b}}
    assert {a for a, _ in beside} | {b for _, b in beside} == set(Split) - {Split.COLUMNS}


def test_what_is_looked_at() -> None:
    """Rows from pool to pool, filters of a convolution with its pools, channels of one alone; equal parts."""
    graph = model("alexnet")

    def splits(*layers: str) -> set[Split]:
        return {way.split for way in candidate_ways(graph, layers) if way.parts > 1}

    assert splits("rescale", "conv1", "pool1") == {Split.ROWS, Split.OUTPUT_CHANNELS}
    assert splits("rescale", "conv1", "pool1", "conv2", "pool2") == {Split.ROWS}
    assert splits("conv3") == {Split.OUTPUT_CHANNELS, Split.INPUT_CHANNELS}
    assert splits("conv2") == {Split.INPUT_CHANNELS}, "filters are split with the pool behind them"
    assert splits("conv3", "conv4", "conv5", "pool5", "flatten") == {Split.ROWS}
    assert not splits("conv3", "conv4")
    assert not splits("pool5", "flatten", "fc1")
    assert splits("fc1") == {Split.COLUMNS}
    assert {way.parts for way in candidate_ways(graph, ("rescale", "conv1"))} == {1, 2, 3}, "three channels, no four"
    rows = Way(2, Split.ROWS)
    assert may_follow(rows, Way(2, Split.INPUT_CHANNELS))
    assert may_follow(rows, WHOLE)
    assert may_follow(rows, Way(4))
    assert not may_follow(rows, Way(3, Split.ROWS))


def test_a_whole_that_does_not_fit_is_split_for_throughput_as_well() -> None:
    """Where a convolution swaps whole and not in parts, the quickest plan splits it; where all fits, none is."""
    seconds = [0.01, 0.05, 0.01, 1.0, 0.01, 0.01]
    tight = site_of([profile_of(seconds, graph=PICTURES, memory_bytes=1900, swap_s_per_byte=0.1)] * 6)
    roomy = site_of([profile_of(seconds, graph=PICTURES, memory_bytes=10**6)] * 6)
    for site, wanted in ((tight, True), (roomy, False)):
        stages = plan_model(PICTURES, site).best.assignment.stages
        assert any(stage.way.of_convolutions for stage in stages) is wanted


def test_a_profile_without_a_fit_gives_no_parts() -> None:
    """Of a kind of layer whose parts nobody can time, none is planned, and the rest goes on."""
    site = site_of([profile_of([0.1, 1.0, 0.1, 1.0, 0.1, 0.1], graph=PICTURES, kinds=("Dense",))] * 3)
    planned = plan_model(PICTURES, site, objective="latency").best
    assert not any(stage.way.of_convolutions for stage in planned.assignment.stages)


def test_parts_take_what_the_authors_measured() -> None:
    """Three parts of VGG16's convolutions: 5 % off the published times; nine by rows (published: tiles) 18 %."""
    found = {one.split: one for one in published_splits()}
    assert abs(found[Split.OUTPUT_CHANNELS].error) < 0.05
    assert abs(found[Split.INPUT_CHANNELS].error) < 0.05
    assert 0 < found[Split.ROWS].error < 0.18
    # The control: a share of the whole's time alone is far from all three.
    for one in found.values():
        assert one.whole_s / one.parts < 0.85 * one.published_s


def test_a_split_is_written_read_and_explained(tmp_path: Path) -> None:
    """Farm file and assignments carry the split, a partition comes back from either, and words say what it is."""
    graph = model("alexnet")
    result = plan_model(graph, pi_farm(6, "ethernet-100"), objective="latency")
    stage = result.best.assignment.stages[0]
    assert (stage.parts, stage.split) == (2, Split.ROWS)
    document = farm_document(graph, result.site, result.best.assignment)
    assert document["partition"]["roles"]["stage1"]["split"] == "rows"
    assert partition_for(FarmConfig.from_document(document, "f.json")) == partition_of(result.best.assignment, graph)
    path = tmp_path / "all.json"
    path.write_text(json.dumps(assignments_document(result)))
    assert read_assignments(path, graph)[6] == result.best.assignment
    text = "\n".join(explain(result))
    assert (
        "stage1 (rescale to flatten) split in 2 by rows: 280 ms -> 238 ms each, 32% more work in all for the halos"
        in text
    )
    # The control: a plan of whole convolutions says nothing of rows.
    assert "rows" not in "\n".join(explain(plan_model(graph, pi_farm(6))))


def test_too_many_stages_are_searched_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a wide bound on the latency leaves too many stages, those of whole convolutions stay, and it is told."""
    graph, site = model("alexnet"), pi_farm(12, "ethernet-100")
    plain = StageModel(graph, site, conv_splits="none")
    every = search_space(plain, "throughput", BOUND_S)
    assert every.complete
    most = (every.steps + search_space(plain, "throughput", None).steps) // 2
    monkeypatch.setattr(near, "MOST_STEPS", most)
    space = search_space(plain, "throughput", BOUND_S)
    assert not space.complete
    assert space.steps <= most
    kept = {cut for _, cuts in space.stages for cut in cuts}
    assert {cut for _, cuts in stages_from(plain) for cut in cuts} <= kept
    bounded = plan_model(graph, site, max_latency_s=BOUND_S)
    whole = plan_model(graph, site, max_latency_s=BOUND_S, conv_splits=False)
    assert not bounded.best.exact
    assert bounded.best.prediction.ips >= whole.best.prediction.ips * (1 - 1e-9)
    assert bounded.best.prediction.latency_s <= BOUND_S


@pytest.mark.parametrize("name", ["alexnet", "vgg16"])
def test_a_single_part_is_the_whole(name: str) -> None:
    """Times, weights and memory of the one part of an unsplit role are the whole's; those of a half are less."""
    graph = model(name)
    times = BlockTimes(shipped_profile("rpi3"), graph)
    end = next(n for n, layer in enumerate(graph.layers) if layer.name == "flatten") + 1
    layers = [layer.name for layer in graph.layers[:end]]
    (whole,) = part_blocks(graph, 0, end, WHOLE)
    found, known = times.part(part_features(whole)), times.block(layers)
    assert found.seconds == pytest.approx(known.seconds)
    assert (found.weight_bytes, found.memory_bytes) == (known.weight_bytes, known.memory_bytes)
    for block in part_blocks(graph, 0, end, Way(2, Split.ROWS)):
        half = times.part(part_features(block))
        assert known.seconds / 2 < half.seconds < known.seconds
        assert half.weight_bytes == known.weight_bytes, "each part by rows holds all weights"
        assert half.memory_bytes < known.memory_bytes
