"""The layer graphs against the published tables, against Keras, and against wrong definitions."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInputError
from harness.models.catalogue import model, model_names
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.partition.block import Block, whole_model

# (layer, output shape, parameters, MACs in millions to one decimal, output bytes); None = not in the table
ALEXNET = [
    ("conv1", (56, 56, 48), 17_472, 54.6, 602_112),
    ("pool1", (28, 28, 48), 0, 0.0, None),
    ("conv2", (28, 28, 128), 153_728, 120.4, 401_408),
    ("pool2", (14, 14, 128), 0, 0.0, None),
    ("conv3", (14, 14, 192), 221_376, 43.4, 150_528),
    ("conv4", (14, 14, 192), 331_968, 65.0, 150_528),
    ("conv5", (14, 14, 128), 221_312, 43.4, 100_352),
    ("pool5", (7, 7, 128), 0, 0.0, 25_088),
    ("flatten", (6272,), 0, 0.0, 25_088),
    ("fc1", (4096,), 25_694_208, 25.7, 16_384),
    ("fc2", (4096,), 16_781_312, 16.8, 16_384),
    ("predictions", (1000,), 4_097_000, 4.1, 4_000),
]

# (model, first layer, last layer, parts, bytes in, bytes out of one part, parameters, MACs to the digits given)
ROLES = [
    ("alexnet", "rescale", "flatten", 1, 150_528, 25_088, 945_856, "326.8M"),
    ("alexnet", "fc1", "fc1", 2, 25_088, 8_192, 12_847_104, "12.8M"),
    ("alexnet", "fc2", "predictions", 1, 16_384, 4_000, 20_878_312, "20.9M"),
    ("vgg16", "rescale", "block1_pool", 1, 150_528, 3_211_264, 38_720, "1.936G"),
    ("vgg16", "block2_conv1", "block4_pool", 1, 3_211_264, 401_408, 7_596_544, "12.02G"),
    ("vgg16", "block5_conv1", "flatten", 1, 401_408, 100_352, 7_079_424, "1.387G"),
    ("vgg16", "rescale", "flatten", 1, 150_528, 100_352, 14_714_688, "15.35G"),
    ("vgg16", "fc1", "fc1", 2, 100_352, 8_192, 51_382_272, "51.4M"),
    ("vgg16", "fc2", "predictions", 1, 16_384, 4_000, 20_878_312, "20.9M"),
]


def cut(name: str, first: str, last: str, parts: int = 1, part: int = 0) -> Block:
    """The block from one layer of a chain to another."""
    graph = model(name)
    names = [layer.name for layer in graph.layers]
    layers = tuple(names[names.index(first) : names.index(last) + 1])
    return Block(graph, layers, graph.layer(first).inputs, (last,), part, parts)


@pytest.mark.parametrize(("name", "shape", "parameters", "mega_macs", "size_bytes"), ALEXNET)
def test_alexnet_row(name, shape, parameters, mega_macs, size_bytes):
    """Every row of the published AlexNet table: shape, parameters, MACs and bytes."""
    graph = model("alexnet")
    assert graph.shape(name) == shape
    assert graph.parameters(name) == parameters
    assert round(graph.macs(name) / 1e6, 1) == mega_macs
    assert size_bytes is None or graph.output_bytes(name) == size_bytes


def test_alexnet_table_has_every_layer():
    """No layer stands outside the table but the declared pre-processing."""
    assert [layer.name for layer in model("alexnet").layers] == ["rescale", *(row[0] for row in ALEXNET)]


def test_vgg16_layers():
    """VGG16 has Keras' layer names, 13 convolutions of 3x3 and the shapes after each pooling."""
    graph = model("vgg16")
    convolutions = [layer for layer in graph.layers if isinstance(layer, Conv2D)]
    assert len(convolutions) == 13
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert [graph.shape(f"block{index}_pool") for index in range(1, 6)] == [
        (112, 112, 64),
        (56, 56, 128),
        (28, 28, 256),
        (14, 14, 512),
        (7, 7, 512),
    ]
    assert [layer.name for layer in graph.layers][-4:] == ["flatten", "fc1", "fc2", "predictions"]


@pytest.mark.parametrize(
    ("name", "parameters", "macs"), [("alexnet", 47_518_376, "373.4M"), ("vgg16", 138_357_544, "15.470G")]
)
def test_totals(name, parameters, macs):
    """The published totals are the sums over the layers."""
    block = whole_model(model(name))
    assert block.parameters == parameters
    assert rounded(block.macs, macs) == macs


@pytest.mark.parametrize(("name", "first", "last", "parts", "bytes_in", "bytes_out", "parameters", "macs"), ROLES)
def test_splits_and_messages(name, first, last, parts, bytes_in, bytes_out, parameters, macs):
    """Every row of the table of splits: bytes that enter and leave, parameters and MACs of a role."""
    block = cut(name, first, last, parts)
    assert sum(block.graph.output_bytes(tensor) for tensor in block.inputs) == bytes_in
    assert block.output_bytes(last) == bytes_out
    assert block.parameters == parameters
    assert rounded(block.macs, macs) == macs


def rounded(macs: int, like: str) -> str:
    """A count of MACs with the unit and the number of decimals of a published figure."""
    number, unit = like[:-1], like[-1]
    decimals = len(number.partition(".")[2])
    return f"{macs / {'M': 1e6, 'G': 1e9}[unit]:.{decimals}f}{unit}"


@pytest.mark.parametrize("name", model_names())
def test_edges_join_up(name):
    """In both models the output of each layer is read by the next one, and frames are uint8."""
    graph = model(name)
    assert (graph.dtype(FRAME), graph.output_bytes(FRAME)) == ("uint8", 150_528)
    for before, after in pairwise(layer.name for layer in graph.layers):
        assert graph.consumers(before) == (after,)
    assert graph.consumers(graph.output) == ()
    assert graph.dtype(graph.output) == "float32"


def test_unknown_model_lists_the_names():
    """A wrong model name says which ones there are."""
    with pytest.raises(BadInputError, match=r"unknown model 'resnet'.*alexnet, vgg16"):
        model("resnet")


def test_digest_follows_the_definition():
    """Any change of the computation changes the digest; another title does not."""
    graph = model("alexnet")
    first, *rest = graph.layers
    assert isinstance(first, Rescale)
    changed = replace(graph, layers=(replace(first, scale=1 / 127), *rest))
    assert replace(graph, title="another").digest() == graph.digest()
    assert len({graph.digest(), changed.digest(), replace(graph, name="b").digest(), model("vgg16").digest()}) == 4


@settings(deadline=None, max_examples=40)
@given(
    height=st.integers(9, 40),
    width=st.integers(9, 40),
    channels=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.integers(1, 4),
    filters=st.integers(1, 4),
    pool=st.integers(1, 3),
)
def test_shapes_are_those_of_keras(height, width, channels, kernel, stride, filters, pool):
    """For any convolution and pooling, shapes and parameter counts are what Keras computes."""
    from harness.runtime.device import configure, import_keras

    configure("cpu", threads=1)
    layers = import_keras().layers
    batch = (1, height, width, channels)
    keras_conv = layers.Conv2D(filters, kernel, strides=stride, padding="same")
    conv_shape = keras_conv.compute_output_shape(batch)
    pool_shape = layers.MaxPooling2D(pool).compute_output_shape(conv_shape)
    keras_conv.build(batch)

    conv = Conv2D("conv", (FRAME,), filters, kernel, (stride, stride))
    shape = (height, width, channels)
    assert conv.output_shape([shape]) == conv_shape[1:]
    assert MaxPool2D("pool", ("conv",), (pool, pool)).output_shape([conv_shape[1:]]) == pool_shape[1:]
    assert list(conv.parameter_shapes([shape]).values()) == [tuple(w.shape) for w in keras_conv.weights]


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((), "no layers"),
        ((Rescale("a", (FRAME,), 1.0), Rescale("a", ("a",), 1.0)), "used twice"),
        ((Rescale(FRAME, (FRAME,), 1.0),), "used twice"),
        ((Rescale("a", ("b",), 1.0), Rescale("b", (FRAME,), 1.0)), "reads b, which no earlier layer makes"),
        ((Dense("a", (FRAME,), 3),), "flatten it first"),
        ((Flatten("f", (FRAME,)), Conv2D("c", ("f",), 3, (3, 3))), r"takes \(height, width, channels\)"),
        ((Flatten("f", (FRAME, FRAME)),), "one input, not 2"),
        ((MaxPool2D("p", (FRAME,), (9, 9)),), "empty shape"),
    ],
)
def test_wrong_graphs_are_refused(layers, message):
    """A graph whose edges or shapes do not fit cannot be made."""
    with pytest.raises(ValueError, match=message):
        ModelGraph("wrong", "Wrong", (8, 8, 3), layers)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": ()}, "at least one layer"),
        ({"layers": ("fc9",)}, "no layer fc9"),
        ({"layers": ("fc2", "fc1")}, "not in topological order"),
        ({"inputs": (FRAME,)}, "from outside"),
        ({"inputs": ("flatten", "flatten")}, "named twice"),
        ({"outputs": ("fc2",)}, "not made"),
        ({"outputs": ()}, "not made"),
        ({"part": 2, "parts": 2}, "part 2 of 2 does not exist"),
        ({"part": 0, "parts": 0}, "part 0 of 0 does not exist"),
        ({"parts": 3}, "do not divide by 3"),
        (
            {"layers": ("predictions",), "inputs": ("fc2",), "outputs": ("predictions",), "parts": 2},
            "softmax",
        ),
        (
            {"layers": ("conv2",), "inputs": ("pool1",), "outputs": ("conv2",), "parts": 2},
            "only a block of one",
        ),
        ({"layers": ("fc1", "fc2"), "parts": 2}, "only a block of one"),
    ],
)
def test_wrong_blocks_are_refused(changes, message):
    """A block that names no layers of the graph, other tensors, or a split that cannot be is refused."""
    right = Block(model("alexnet"), ("fc1",), ("flatten",), ("fc1",))
    with pytest.raises(ValueError, match=message):
        replace(right, **changes)


def test_a_block_may_have_several_inputs_and_outputs():
    """A graph with two branches can be cut so that two tensors enter and two leave."""
    graph = ModelGraph(
        "branches",
        "Branches",
        (4, 4, 1),
        (
            Rescale("left", (FRAME,), 0.5),
            Rescale("right", (FRAME,), 2.0),
            Flatten("left_flat", ("left",)),
            Flatten("right_flat", ("right",)),
        ),
    )
    block = Block(graph, ("left_flat", "right_flat"), ("right", "left"), ("left_flat", "right_flat"))
    assert block.inputs == ("right", "left")
    assert graph.consumers(FRAME) == ("left", "right")
