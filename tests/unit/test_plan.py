"""Plans: every part of a frame meets at one node, and the work is shared evenly."""

import json
import math
from collections import Counter
from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.farm.config import Address, FarmConfig
from harness.models.catalogue import model
from harness.models.graph import FRAME
from harness.partition.paper import partition, partition_names
from harness.partition.partition import INITIAL, Partition, Role
from harness.plan.plan import Plan, make_plan

Message = tuple[int, Address, str, int]
"""A frame, where a part of it arrives, and which part: tensor and number."""


def planned(cut: Partition) -> Plan:
    """The cut on a farm that has an address for each of its nodes."""
    numbers = count(2)
    roles = {role.name: [f"127.0.{role.parts}.{next(numbers)}" for _ in range(role.nodes)] for role in cut.roles}
    farm = FarmConfig.from_document({"node": {INITIAL: ["127.0.0.1"], **roles}}, "farm.json")
    return make_plan(cut, farm)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A paper's cut with any number of replicas of each role, the split role in two or four parts."""
    base = partition(draw(st.sampled_from(partition_names())))
    return planned(
        Partition(
            "any",
            base.graph,
            tuple(
                Role(
                    role.name,
                    role.layers,
                    parts=draw(st.sampled_from([2, 4])) if role.parts > 1 else 1,
                    replicas=draw(st.integers(1, 4)),
                )
                for role in base.roles
            ),
        )
    )


def messages(plan: Plan, frames: range, holders: Callable[[str, str, int], tuple[Address, ...]]) -> list[Message]:
    """Every message of some frames; `holders` says where a sender (a role and its part) sends a frame."""
    cut = plan.partition
    return [
        (frame, address, tensor, part)
        for frame in frames
        for source in (INITIAL, *(role.name for role in cut.roles))
        for tensor in cut.outputs(source)
        for part in range(cut.parts_of(tensor))
        for target in cut.targets(tensor)
        for address in holders(f"{source} part {part}", target, frame)
    ]


def frames_meet(plan: Plan, frames: range, sent: list[Message]) -> bool:
    """Each frame reaches one holder of each part of each role, complete and without a second copy."""
    cut = plan.partition
    arrived: dict[tuple[int, Address], Counter[tuple[str, int]]] = {}
    for frame, address, tensor, part in sent:
        arrived.setdefault((frame, address), Counter())[tensor, part] += 1
    for frame in frames:
        for role in cut.roles:
            for part in range(role.parts):
                nodes = [node for node in plan.placements if (node.role, node.part) == (role.name, part)]
                here = [arrived.pop((frame, node.address)) for node in nodes if (frame, node.address) in arrived]
                if here != [Counter(cut.slots(role.name))]:
                    return False
        if arrived.pop((frame, plan.farm.initial), None) != Counter(cut.slots(INITIAL)):
            return False
    return not arrived


@given(plans(), st.integers(0, 10_000))
def test_every_part_of_a_frame_meets_at_one_node(plan: Plan, first: int) -> None:
    """For any frame, all senders choose the same holder of each part of each role, and nobody else gets anything."""
    frames = range(first, first + 12)
    sent = messages(plan, frames, lambda _, target, frame: plan.holders(target, frame))
    assert frames_meet(plan, frames, sent)


def test_senders_that_take_turns_tear_frames_apart() -> None:
    """The control: senders that each count for themselves fail the same check as soon as one of them lost a frame."""
    base = partition("alexnet-5")
    block1, block2, block3 = base.roles
    plan = planned(Partition("any", base.graph, (block1, block2, Role(block3.name, block3.layers, replicas=2))))
    frames = range(6)
    turns: Counter[str] = Counter()

    def next_in_turn(sender: str, target: str, frame: int) -> tuple[Address, ...]:
        del frame
        turns[sender] += 1
        return plan.holders(target, turns[sender] - 1)

    assert frames_meet(plan, frames, messages(plan, frames, next_in_turn))
    turns.clear()
    turns["block2 part 1"] = 1
    assert not frames_meet(plan, frames, messages(plan, frames, next_in_turn))


@given(plans(), st.integers(0, 10_000), st.integers(1, 3))
def test_replicas_share_the_work_evenly(plan: Plan, first: int, rounds: int) -> None:
    """Over whole rounds each replica of a part computes the same number of frames, and every part all of them."""
    frames = rounds * math.lcm(*(role.replicas for role in plan.partition.roles))
    for role in plan.partition.roles:
        computed = Counter(
            address for frame in range(first, first + frames) for address in plan.holders(role.name, frame)
        )
        own = [node for node in plan.placements if node.role == role.name]
        assert computed == {node.address: frames // role.replicas for node in own}


@given(plans())
def test_every_node_has_one_share(plan: Plan) -> None:
    """Each role, part and replica stands at exactly one address, and each address of the farm holds one share."""
    shares = Counter((node.role, node.part, node.replica) for node in plan.placements)
    assert shares == Counter(
        (role.name, part, replica)
        for role in plan.partition.roles
        for part in range(role.parts)
        for replica in range(role.replicas)
    )
    in_farm = [address for addresses in plan.farm.node_roles.values() for address in addresses]
    assert Counter(in_farm) == Counter(node.address for node in plan.placements)
    for node in plan.placements:
        assert plan.at(node.address) is node
        assert node.address in plan.farm.node_roles[node.role]
        role = plan.partition.role(node.role)
        assert (node.parts, node.replicas) == (role.parts, role.replicas)


def test_addresses_are_taken_in_part_order() -> None:
    """Of a role with two parts and two replicas, the third address holds part 0 again."""
    base = partition("alexnet-5")
    block1, block2, block3 = base.roles
    cut = Partition("any", base.graph, (block1, Role(block2.name, block2.layers, parts=2, replicas=2), block3))
    plan = planned(cut)
    own = [(node.part, node.replica) for node in plan.placements if node.role == "block2"]
    assert own == [(0, 0), (1, 0), (0, 1), (1, 1)]
    addresses = plan.farm.node_roles["block2"]
    assert plan.holders("block2", 6) == addresses[:2]
    assert plan.holders("block2", 7) == addresses[2:]
    assert plan.holders(INITIAL, 7) == (plan.farm.initial,)
    assert [str(node) for node in plan.placements][1] == "block2 part 1 of 2 at 127.0.2.3:12345"


def test_a_plan_tells_where_its_nodes_are() -> None:
    """An address that is not in the farm is told with those that are."""
    plan = planned(partition("alexnet-5"))
    with pytest.raises(BadInputError, match=r"farm farm\.json has no node at pi9:1") as caught:
        plan.at(Address("pi9", 1))
    assert all(str(node.address) in caught.value.hint for node in plan.placements)


@pytest.mark.parametrize(("role", "addresses"), [("block2", 1), ("block2", 3), ("block3", 0)])
def test_a_farm_of_another_size_is_refused(role: str, addresses: int) -> None:
    """A role with too few, too many or no addresses is named with both numbers."""
    cut = partition("alexnet-5")
    nodes = {"block1": 1, "block2": 2, "block3": 1, role: addresses}
    roles = {name: [f"{name}-{number}" for number in range(size)] for name, size in nodes.items() if size}
    farm = FarmConfig.from_document({"node": {INITIAL: ["127.0.0.1"], **roles}}, "farm.json")
    with pytest.raises(BadInputError, match=f'{addresses} addresses for "{role}"') as caught:
        make_plan(cut, farm)
    assert caught.value.hint == f"partition alexnet-5 needs {cut.role(role).nodes}"


def test_a_plan_is_told_as_plain_data() -> None:
    """What records and `--dry-run --json` hold survives JSON, and adds up to the partition's own figures."""
    plan = planned(partition("vgg16-9"))
    told = json.loads(json.dumps(plan.describe(), allow_nan=False))
    assert told == plan.describe()
    assert (told["model"], told["partition"], told["devices"]) == ("vgg16", "vgg16-9", 9)
    assert sum(edge["messages_per_frame"] * edge["message_bytes"] for edge in told["edges"]) == 3_984_288
    assert told["bytes_per_frame"] == 3_984_288
    assert told["edges"][0]["tensor"] == FRAME
    distinct = {(node["role"], node["part"]): node for node in told["nodes"]}.values()
    graph = model("vgg16")
    assert sum(node["parameters"] for node in distinct) == sum(graph.parameters(layer.name) for layer in graph.layers)
    assert sum(node["macs"] for node in distinct) == sum(graph.macs(layer.name) for layer in graph.layers)
