"""Partitions: the paper's cuts have the published sizes, and every other cut follows from the graph."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.farm.config import FarmConfig
from harness.models.catalogue import model
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.partition.paper import partition, partition_for, partition_names
from harness.partition.partition import INITIAL, Edge, Partition, Role
from harness.partition.wire import Wire

ROOT = Path(__file__).parents[2]
ALEXNET_ROLES = {"block1": 1, "block2": 2, "block3": 1}
VGG11_ROLES = {"block12345": 7, "fc1": 2, "fc2": 1}

# The published artifact's roles: nodes, parts, bytes of each message in, bytes of the message out, copies of it,
# parameters, and multiply-accumulates in millions with half a unit of their last printed digit.
ALEXNET = {
    "block1": ((150_528,), 25_088, 2, 945_856, (326.8, 0.05)),
    "block2": ((25_088,), 8_192, 1, 12_847_104, (12.8, 0.05)),
    "block3": ((8_192, 8_192), 4_000, 1, 20_878_312, (20.9, 0.05)),
}
VGG16_FC = {
    "fc1": ((100_352,), 8_192, 1, 51_382_272, (51.4, 0.05)),
    "fc2": ((8_192, 8_192), 4_000, 1, 20_878_312, (20.9, 0.05)),
}
VGG16_9 = {
    "block1": ((150_528,), 3_211_264, 1, 38_720, (1_936, 0.5)),
    "block234": ((3_211_264,), 401_408, 1, 7_596_544, (12_020, 5)),
    "block5": ((401_408,), 100_352, 2, 7_079_424, (1_387, 0.5)),
    **VGG16_FC,
}
VGG16_11 = {"block12345": ((150_528,), 100_352, 2, 14_714_688, (15_350, 5)), **VGG16_FC}

PUBLISHED = {
    "alexnet-5": (ALEXNET, {"block1": 1, "block2": 2, "block3": 1}, 0.221),
    "alexnet-6": (ALEXNET, {"block1": 2, "block2": 2, "block3": 1}, 0.221),
    "vgg16-9": (VGG16_9, {"block1": 1, "block234": 3, "block5": 1, "fc1": 2, "fc2": 1}, 3.984),
    "vgg16-11": (VGG16_11, VGG11_ROLES, 0.372),
}
"""Name -> roles, nodes of each, and the payload megabytes of one frame."""


def farm_with(nodes: dict[str, int]) -> FarmConfig:
    """A farm with so many addresses for each role."""
    numbers = iter(range(2, 250))
    roles = {role: [f"127.0.0.{next(numbers)}" for _ in range(count)] for role, count in nodes.items()}
    return FarmConfig.from_document({"node": {INITIAL: ["127.0.0.1"], **roles}}, "farm.json")


def assert_told_well(error: BadInputError) -> None:
    """One line, and a way out."""
    assert len(error.message.splitlines()) == 1
    assert error.hint


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_cuts_of_the_paper_have_the_published_sizes(name: str) -> None:
    """Nodes, message bytes, parameters and MACs of each role equal the published tables."""
    cut = partition(name)
    roles, nodes, _ = PUBLISHED[name]
    assert [role.name for role in cut.roles] == list(roles)
    assert {role.name: role.nodes for role in cut.roles} == nodes
    assert cut.devices == 1 + sum(nodes.values()) == int(name.rpartition("-")[2])
    for role, (bytes_in, bytes_out, copies, parameters, (macs_millions, half_a_unit)) in roles.items():
        assert tuple(cut.message_bytes(tensor) for tensor, _ in cut.slots(role)) == bytes_in
        (out,) = cut.outputs(role)
        assert cut.message_bytes(out) == bytes_out
        assert [edge.copies for edge in cut.edges if edge.source == role] == [copies]
        assert cut.parameters(role) == parameters
        assert cut.macs(role) / 1e6 == pytest.approx(macs_millions, abs=half_a_unit)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_frame_moves_the_published_number_of_bytes(name: str) -> None:
    """Payload of one frame on all edges: 0.221, 3.984 and 0.372 MB, every copy and every half counted."""
    cut = partition(name)
    assert round(cut.frame_bytes / 1e6, 3) == PUBLISHED[name][2]
    once = sum(edge.parts * edge.message_bytes for edge in cut.edges)
    assert round(once / 1e6, 3) != PUBLISHED[name][2], "the control: a tensor that goes to both halves counts twice"


def test_the_edges_of_alexnet() -> None:
    """Every message of the five-device farm, from the frame to the result."""
    assert partition("alexnet-5").edges == (
        Edge(INITIAL, "block1", FRAME, parts=1, message_bytes=150_528, copies=1),
        Edge("block1", "block2", "flatten", parts=1, message_bytes=25_088, copies=2),
        Edge("block2", "block3", "fc1", parts=2, message_bytes=8_192, copies=1),
        Edge("block3", INITIAL, "predictions", parts=1, message_bytes=4_000, copies=1),
    )
    assert partition("alexnet-5").slots("block3") == (("fc1", 0), ("fc1", 1))
    assert partition("alexnet-5").message_shape("fc1") == (2048,)


@st.composite
def cuts(draw: st.DrawFn) -> Partition:
    """A paper model cut anywhere, its dense roles split and every role replicated."""
    graph = model(draw(st.sampled_from(["alexnet", "vgg16"])))
    names = [layer.name for layer in graph.layers]
    inner = draw(st.sets(st.integers(1, len(names) - 1)))
    inner |= draw(st.sampled_from([set(), {len(names) - 3, len(names) - 2}]))  # fc1 alone is what can be split
    borders = [0, *sorted(inner), len(names)]
    roles = []
    for first, last in pairwise(borders):
        layers = tuple(names[first:last])
        splits = layers in {("fc1",), ("fc2",)}
        parts = draw(st.sampled_from([1, 2, 4, 64])) if splits else 1
        roles.append(Role(f"role{first}", layers, parts=parts, replicas=draw(st.integers(1, 3))))
    return Partition("any", graph, tuple(roles))


@given(cuts())
def test_wherever_a_model_is_cut_nothing_is_lost(cut: Partition) -> None:
    """Weights and MACs of the parts add up to the model's, and what a role sends is what the next one takes."""
    graph = cut.graph
    layers = [layer.name for layer in graph.layers]
    assert sum(role.parts * cut.parameters(role.name) for role in cut.roles) == sum(map(graph.parameters, layers))
    assert sum(role.parts * cut.macs(role.name) for role in cut.roles) == sum(map(graph.macs, layers))
    for source, target in zip(
        [INITIAL, *(role.name for role in cut.roles)],
        [*(role.name for role in cut.roles), INITIAL],
        strict=True,
    ):
        (tensor,) = cut.outputs(source)
        assert cut.inputs(target) == (tensor,)
        assert cut.targets(tensor) == (target,)
        assert sum(cut.message_bytes(tensor) for tensor, _ in cut.slots(target)) == graph.output_bytes(tensor)
        blocks = 1 if target == INITIAL else cut.role(target).parts
        (edge,) = [edge for edge in cut.edges if edge.source == source]
        assert (edge.parts, edge.copies) == (cut.parts_of(tensor), blocks)
        assert edge.frame_bytes == graph.output_bytes(tensor) * blocks
    assert cut.frame_bytes == sum(edge.frame_bytes for edge in cut.edges)


def two_streams() -> Partition:
    """A picture and its movement seen by two streams, one of them split, that meet in one role.

    `space` feeds two roles, and `fusion` takes two tensors, the first of them in two parts.
    """
    graph = ModelGraph(
        name="streams",
        title="two streams",
        input_shape=(8, 8, 3),
        layers=(
            Rescale("rescale", (FRAME,), scale=1 / 255),
            Conv2D("motion_conv", ("rescale",), filters=4, kernel_size=(3, 3), strides=(2, 2)),
            Flatten("motion", ("motion_conv",)),
            MaxPool2D("picture_pool", (FRAME,)),
            Flatten("picture", ("picture_pool",)),
            Dense("space", ("picture",), units=6),
            Dense("side", ("space",), units=2),
            Dense("from_space", ("space",), units=3),
            Dense("from_motion", ("motion",), units=5, activation="softmax"),
        ),
    )
    return Partition(
        "streams",
        graph,
        (
            Role("motion", ("rescale", "motion_conv", "motion")),
            Role("picture", ("picture_pool", "picture")),
            Role("space", ("space",), parts=2, replicas=2),
            Role("fusion", ("side", "from_space", "from_motion"), replicas=2),
        ),
    )


def test_a_role_may_take_several_tensors() -> None:
    """A join of two streams takes its slots tensor by tensor, and part by part within a tensor."""
    cut = two_streams()
    assert cut.inputs("fusion") == ("space", "motion")
    assert cut.slots("fusion") == (("space", 0), ("space", 1), ("motion", 0))
    assert cut.block("fusion", 0).inputs == ("space", "motion")
    assert [cut.message_bytes(tensor) for tensor, _ in cut.slots("fusion")] == [12, 12, 256]
    assert cut.devices == 1 + 1 + 1 + 4 + 2


def test_a_tensor_may_go_to_several_roles() -> None:
    """The frame goes to both streams, and a split role gets it once for each part."""
    cut = two_streams()
    assert cut.targets(FRAME) == ("motion", "picture")
    assert cut.targets("picture") == ("space",)
    assert cut.targets("from_motion") == (INITIAL,)
    sizes = {(edge.source, edge.target): edge.frame_bytes for edge in cut.edges}
    assert sizes == {
        (INITIAL, "motion"): 192,
        (INITIAL, "picture"): 192,
        ("motion", "fusion"): 256,
        ("picture", "space"): 2 * 192,
        ("space", "fusion"): 24,
        ("fusion", INITIAL): 20,
    }
    assert cut.frame_bytes == sum(sizes.values())


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ([("a", "rescale", "fc1", 1, 1)], "not those of alexnet in order"),
        ([("a", "conv1", "predictions", 1, 1)], "not those of alexnet in order"),
        (
            [("b", "fc1", "predictions", 1, 1), ("a", "rescale", "flatten", 1, 1)],
            "not those of alexnet in order",
        ),
        ([("a", "rescale", "fc1", 1, 1), ("b", "fc1", "predictions", 1, 1)], "not those of alexnet in order"),
        ([("a", "rescale", "flatten", 1, 1), ("a", "fc1", "predictions", 1, 1)], "role names must be unique"),
        ([("initial", "rescale", "predictions", 1, 1)], "not 'initial'"),
        ([("a", "rescale", "predictions", 1, 0)], "0 replicas"),
        ([("a", "rescale", "predictions", 0, 1)], "0 parts"),
        ([("a", "rescale", "predictions", -1, 1)], "-1 parts"),
        ([("a", "rescale", "predictions", 2, 1)], "only a block of one dense layer"),
        (
            [("a", "rescale", "fc2", 1, 1), ("b", "predictions", "predictions", 2, 1)],
            "softmax needs every column",
        ),
        (
            [("a", "rescale", "flatten", 1, 1), ("b", "fc1", "fc1", 3, 1), ("c", "fc2", "predictions", 1, 1)],
            "4096 columns of fc1 do not divide by 3",
        ),
    ],
)
def test_a_cut_that_cannot_work_is_refused(roles: list[tuple[str, str, str, int, int]], reason: str) -> None:
    """Layers missing, twice or out of order, and splits that have no meaning, are errors when the cut is made."""
    graph = model("alexnet")
    names = [layer.name for layer in graph.layers]
    with pytest.raises(ValueError, match=reason):
        Partition(
            "wrong",
            graph,
            tuple(
                Role(
                    name,
                    tuple(names[names.index(first) : names.index(last) + 1]),
                    parts=parts,
                    replicas=replicas,
                )
                for name, first, last, parts, replicas in roles
            ),
        )


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("farms/farm-5.json", "alexnet-5"),
        ("farms/farm-6.json", "alexnet-6"),
        ("farms/farm-9.json", "vgg16-9"),
        ("farms/farm-11.json", "vgg16-11"),
        ("machine/farm-5-local/ip", "alexnet-5"),
        ("machine/farm-6-local/ip", "alexnet-6"),
        ("machine/farm-9-local/ip", "vgg16-9"),
        ("machine/farm-11-local/ip", "vgg16-11"),
    ],
)
def test_a_shipped_farm_asks_for_its_cut(file: str, name: str) -> None:
    """Roles and number of devices tell the cut, with or without its name and model."""
    farm = FarmConfig.load(ROOT / "ck-machines" / file)
    cut = partition(name)
    assert partition_for(farm) == cut
    assert partition_for(farm, name=name) == cut
    assert partition_for(farm, model_name=cut.graph.name) == cut


def test_a_larger_farm_gets_more_replicas() -> None:
    """Replicas come from the farm file; the name says what the paper has no name for."""
    cut = partition_for(farm_with({"block1": 3, "block2": 4, "block3": 1}))
    assert [(role.name, role.parts, role.replicas) for role in cut.roles] == [
        ("block1", 1, 3),
        ("block2", 2, 2),
        ("block3", 1, 1),
    ]
    assert cut.name == "alexnet-9-block1x3-block2x4-block3x1"
    assert cut.name not in partition_names()
    assert partition_for(farm_with({"block3": 1, "block2": 2, "block1": 2})).name == "alexnet-6"


@given(
    st.dictionaries(st.sampled_from(sorted({*ALEXNET, *VGG16_9, *VGG16_11, "other"})), st.integers(1, 8), min_size=1),
    st.none() | st.sampled_from(["alexnet", "vgg16"]),
    st.none() | st.sampled_from(partition_names()),
)
def test_any_farm_gets_a_cut_that_fits_or_a_user_error(
    nodes: dict[str, int], model_name: str | None, name: str | None
) -> None:
    """A cut that is found holds every address of the farm exactly once; else one line says what does not fit."""
    farm = farm_with(nodes)
    try:
        cut = partition_for(farm, model_name=model_name, name=name)
    except BadInputError as error:
        assert_told_well(error)
    else:
        assert {role.name: role.nodes for role in cut.roles} == nodes
        assert cut.devices == farm.devices
        assert cut.graph.name == (model_name or cut.graph.name)
        assert cut.name == (name or cut.name)


@pytest.mark.parametrize(
    ("nodes", "options", "told"),
    [
        ({**ALEXNET_ROLES, "block9": 1}, {}, 'farm farm.json has an unknown role "block9"'),
        ({"block1": 1, "block2": 2}, {}, 'farm farm.json has no role "block3"'),
        ({"no": 1}, {}, 'farm farm.json has an unknown role "no"'),
        ({**ALEXNET_ROLES, "block2": 3}, {}, '3 addresses for "block2"'),
        ({**ALEXNET_ROLES, "block2": 1}, {}, '1 addresses for "block2"'),
        (ALEXNET_ROLES, {"name": "alexnet-6"}, '1 addresses for "block1"'),
        (ALEXNET_ROLES, {"name": "vgg16-11"}, 'unknown role "block1"'),
        (ALEXNET_ROLES, {"model_name": "vgg16"}, 'unknown role "block'),
        (VGG11_ROLES, {"model_name": "alexnet"}, 'unknown role "block12345"'),
        (ALEXNET_ROLES, {"name": "alexnet-7"}, "there is no partition 'alexnet-7'"),
        (ALEXNET_ROLES, {"model_name": "lenet"}, "unknown model 'lenet'"),
        (ALEXNET_ROLES, {"name": "alexnet-5", "model_name": "vgg16"}, "alexnet-5 is not one of model vgg16"),
        (ALEXNET_ROLES, {"name": "alexnet-5", "model_name": "lenet"}, "unknown model 'lenet'"),
    ],
)
def test_a_farm_that_does_not_fit_is_named(nodes: dict[str, int], options: dict[str, str], told: str) -> None:
    """Unknown, missing and miscounted roles, and names that do not go together, are told with a way out."""
    with pytest.raises(BadInputError) as caught:
        partition_for(farm_with(nodes), **options)
    assert told in caught.value.message
    assert_told_well(caught.value)


@pytest.mark.parametrize("name", partition_names())
def test_a_wire_changes_what_travels_between_roles_alone(name):
    """Frames and results keep their bytes; between roles halves take half, bytes a quarter and eight a message."""
    exact = partition(name)
    for wire, per_value, more in ((Wire.FP16, 2, 0), (Wire.UINT8, 1, 8)):
        for edge, before in zip(replace(exact, wire=wire).edges, exact.edges, strict=True):
            outside = INITIAL in (edge.source, edge.target)
            size = before.message_bytes if outside else before.message_bytes // 4 * per_value + more
            assert edge == replace(before, message_bytes=size)
    assert replace(exact, wire=Wire.F32) == exact
    assert exact.largest_message_bytes == max(edge.message_bytes for edge in exact.edges if edge.target != INITIAL)
