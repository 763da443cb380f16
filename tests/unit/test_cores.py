"""Which core each node of one machine computes on."""

from __future__ import annotations

from collections import Counter

import pytest
from farms import farm_document
from hypothesis import given
from hypothesis import strategies as st

from harness.farm.config import FarmConfig
from harness.partition.paper import partition, partition_names
from harness.plan.cores import block_time_s, deal_cores
from harness.plan.plan import Plan, make_plan


def plan_of(name: str) -> Plan:
    """A plan on made-up addresses."""
    document = farm_document(name)["node"]
    return make_plan(partition(name), FarmConfig.from_document({"node": document}, source=name))


PLANS = {name: plan_of(name) for name in partition_names()}


def test_two_cores_share_alexnet_evenly() -> None:
    """On two cores the convolutions have one, the fully connected blocks the other, and both as much to do."""
    plan = PLANS["alexnet-5"]
    dealt = deal_cores(plan, plan.placements, [0, 1])
    assert [dealt[node] for node in plan.placements] == [1, 0, 0, 0]
    load_s = [sum(block_time_s(plan, node) for node, core in dealt.items() if core == number) for number in (0, 1)]
    assert max(load_s) < 1.3 * min(load_s)


def test_blocks_that_read_weights_stay_together() -> None:
    """Both replicas of AlexNet's convolutions keep to one core, so that no two cores read weights at a time."""
    plan = PLANS["alexnet-6"]
    dealt = deal_cores(plan, plan.placements, [0, 1])
    by_role = {(node.role, core) for node, core in dealt.items()}
    assert by_role == {("block1", 1), ("block2", 0), ("block3", 0)}


@pytest.mark.parametrize("cores", [[0], [0, 1, 2, 3], range(64)])
def test_nothing_to_choose(cores: list[int]) -> None:
    """With one core, or one for each node, the system chooses."""
    plan = PLANS["alexnet-5"]
    assert deal_cores(plan, plan.placements, cores) == {}


def test_long_blocks_are_left_to_the_system() -> None:
    """Blocks of hundreds of milliseconds are not bound: the scheduler balances them better."""
    plan = PLANS["vgg16-11"]
    assert max(block_time_s(plan, node) for node in plan.placements) > 0.1
    assert deal_cores(plan, plan.placements, [0, 1]) == {}


@given(st.sampled_from(sorted(PLANS)), st.integers(1, 12))
def test_all_nodes_or_none(name: str, count: int) -> None:
    """Whatever the plan: each node has one of the given cores and no core has much more to do, or none is bound."""
    plan = PLANS[name]
    cores = list(range(10, 10 + count))
    dealt = deal_cores(plan, plan.placements, cores)
    if not dealt:
        return
    assert set(dealt) == set(plan.placements)
    assert set(dealt.values()) <= set(cores)
    load_s: Counter[int] = Counter()
    for node, core in dealt.items():
        load_s[core] += block_time_s(plan, node) / node.replicas  # type: ignore[assignment]
    assert max(load_s.values()) <= 1.2 * sum(load_s.values()) / count + 1e-9
