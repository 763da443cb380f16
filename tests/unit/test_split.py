"""Splits of convolutions: however a chain of layers is cut, the messages of its parts make what the whole makes."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_blocks import WholeNumbers, numpy_block

from benchmarks.splits import BiasedWeights
from harness.bench.rounding import rounded_outputs
from harness.models.catalogue import model
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.models.split import Split, part_span, weight_slices
from harness.models.weights import SeededWeights, block_fingerprint, part_shapes
from harness.partition import gather
from harness.partition import split as geometry
from harness.partition.block import Block, whole_model
from harness.partition.partition import INITIAL, Edge, Partition, Role
from harness.partition.wire import Wire

TOLERANCE = 1e-5
"""Of the largest output: what issue 7 asks of every split."""
WRONG = 1e-3
CONVOLUTIONS = (Split.OUTPUT_CHANNELS, Split.INPUT_CHANNELS, Split.ROWS)


def images(graph: ModelGraph, count: int = 2) -> np.ndarray:
    """Frames whose every pixel differs."""
    return np.random.default_rng(5).integers(0, 256, (count, *graph.input_shape), np.uint8)


def error(cut: Partition, source: SeededWeights | None = None) -> float:
    """Largest difference of the cut model's outputs from the whole model's, as a share of the largest output.

    Where a ReLU leaves nothing but zeros the difference itself.
    """
    source = source or BiasedWeights(3)
    frames = images(cut.graph)
    whole = numpy_block(whole_model(cut.graph), source)
    right = np.stack([whole(frame)[0] for frame in frames])
    found = rounded_outputs(cut, lambda block: numpy_block(block, source), frames)
    assert found.shape == right.shape
    return float(np.abs(found - right).max() / (np.abs(right).max() or 1.0))


@st.composite
def networks(draw: st.DrawFn) -> ModelGraph:
    """A chain of convolutions and pools of any size and stride, flattened or not, with a dense layer or without."""
    height, width = draw(st.integers(6, 17)), draw(st.integers(4, 9))
    layers: list = [Rescale("rescale", (FRAME,), scale=1.0)]
    shape = (height, width, draw(st.integers(1, 4)))
    frame = shape
    for number in range(draw(st.integers(1, 4))):
        before = layers[-1].name
        if draw(st.booleans()) and min(shape[:2]) >= 4:
            layer = MaxPool2D(f"pool{number}", (before,), draw(st.sampled_from([(2, 2), (3, 2), (2, 1)])))
        else:
            layer = Conv2D(
                f"conv{number}", (before,), draw(st.integers(1, 5)),
                draw(st.tuples(st.integers(1, 6), st.integers(1, 4))),
                draw(st.tuples(st.integers(1, 4), st.integers(1, 2))),
                draw(st.sampled_from(["relu", "linear"])),
            )  # fmt: skip
        shape = layer.output_shape([shape])
        layers.append(layer)
    if draw(st.booleans()):
        layers.append(Flatten("flatten", (layers[-1].name,)))
        layers.append(Dense("fc", ("flatten",), 4, "relu"))
    return ModelGraph("any", "any", frame, tuple(layers))


@st.composite
def cuts(draw: st.DrawFn) -> Partition:
    """Such a network cut anywhere, each role in any way that is allowed."""
    graph = draw(networks())
    names = [layer.name for layer in graph.layers]
    borders = sorted({0, len(names), *draw(st.sets(st.integers(1, len(names)), max_size=4))})
    roles = []
    for first, last in pairwise(borders):
        layers = tuple(names[first:last])
        role = Role(f"role{first}", layers)
        outputs = (layers[-1],)
        ways = []
        for split in Split:
            for parts in (2, 3, 4):
                try:
                    geometry.require_split(graph, layers, outputs, parts, split)
                except ValueError:
                    continue
                ways.append(replace(role, parts=parts, split=split))
        roles.append(draw(st.sampled_from([role, *ways])))
    return Partition("any", graph, tuple(roles))


@settings(max_examples=300)
@given(cuts())
def test_any_cut_of_any_chain_gives_the_whole_models_output(cut: Partition) -> None:
    """Every kernel, stride, pool, number of parts and neighbour: through real messages, equal to the last bit."""
    source, frames = WholeNumbers(), images(cut.graph)
    whole = numpy_block(whole_model(cut.graph), source)
    right = np.stack([whole(frame)[0] for frame in frames])
    found = rounded_outputs(cut, lambda block: numpy_block(block, source), frames)
    assert np.abs(right).max() < 2**24, "no sum was rounded"
    np.testing.assert_array_equal(found, right)


@given(cuts())
def test_messages_cover_what_each_part_reads_once(cut: Partition) -> None:
    """No value is missing and none comes twice, but for summands; edges carry what the messages hold, byte for byte."""
    total = 0
    for role in (*(role.name for role in cut.roles), INITIAL):
        parts = range(1 if role == INITIAL else cut.role(role).parts)
        for part in parts:
            for tensor in cut.inputs(role):
                read = [message for message in cut.messages(role, part) if message.tensor == tensor]
                counted = np.zeros(read[0].read_shape, int)
                for message in read:
                    counted[message.place] += 1
                assert (counted == (len(read) if cut.is_sum(tensor) else 1)).all()
                assert math.prod(read[0].read_shape) == (
                    math.prod(cut.graph.shape(tensor)) if role == INITIAL
                    else math.prod(cut.block(role, part).shape(tensor))
                )  # fmt: skip
            total += sum(message.payload_bytes(Wire.F32) for message in cut.messages(role, part))
    assert cut.frame_bytes == total
    for role in cut.roles:
        blocks = [cut.block(role.name, part) for part in range(role.parts)]
        whole = sum(map(cut.graph.parameters, role.layers))
        copies = role.parts if role.split is Split.ROWS else 1
        assert sum(block.parameters for block in blocks) == whole * copies
        macs = sum(map(cut.graph.macs, role.layers))
        if role.split is not Split.ROWS:
            assert sum(block.macs for block in blocks) == macs


def alexnet_cut(conv2: Role) -> Partition:
    """AlexNet with its second convolution split."""
    graph = model("alexnet")
    names = [layer.name for layer in graph.layers]
    after = names.index(conv2.layers[-1]) + 1
    return Partition(
        "cut",
        graph,
        (Role("front", tuple(names[:3])), conv2, Role("back", tuple(names[after:]))),
    )


def test_each_part_is_sent_what_it_reads_and_no_more() -> None:
    """Bytes on the edges of AlexNet's conv2 in two parts, by each kind: whole copies, halves, rows with their halo."""
    pool1, conv2 = 4 * 28 * 28 * 48, 4 * 28 * 28 * 128
    outside = [Edge(INITIAL, "front", FRAME, 1, 150_528, 1), Edge("back", INITIAL, "predictions", 1, 4000, 1)]

    def between(split: Split) -> list[Edge]:
        edges = alexnet_cut(Role("conv2", ("conv2",), parts=2, split=split)).edges
        assert [edges[0], edges[-1]] == outside
        return list(edges[1:-1])

    assert between(Split.OUTPUT_CHANNELS) == [
        Edge("front", "conv2", "pool1", 1, pool1, 2), Edge("conv2", "back", "conv2", 2, conv2 // 2, 1)
    ]  # fmt: skip
    assert between(Split.INPUT_CHANNELS) == [
        Edge("front", "conv2", "pool1", 2, pool1 // 2, 1), Edge("conv2", "back", "conv2", 2, conv2, 1)
    ]  # fmt: skip
    # A window of 5 reaches two rows beyond the border of the halves.
    assert between(Split.ROWS) == [
        Edge("front", "conv2", "pool1", 2, pool1 // 28 * 16, 1), Edge("conv2", "back", "conv2", 2, conv2 // 2, 1)
    ]  # fmt: skip


def test_sizes_may_be_uneven() -> None:
    """Three parts of 28 rows have 9, 9 and 10 of them: an edge for each size, bytes as they are sent."""
    edges = alexnet_cut(Role("conv2", ("conv2",), parts=3, split=Split.ROWS)).edges
    row = 4 * 28 * 128
    assert [edge for edge in edges if edge.source == "conv2"] == [
        Edge("conv2", "back", "conv2", 2, 9 * row, 1), Edge("conv2", "back", "conv2", 1, 10 * row, 1)
    ]  # fmt: skip


def test_channels_split_twice_stay_where_they_are() -> None:
    """Where the next layer reads by channels what this one makes by channels, each part sends to one part alone."""
    graph = model("alexnet")
    names = [layer.name for layer in graph.layers]
    cut = Partition(
        "cut",
        graph,
        (
            Role("front", tuple(names[:3])),
            Role("conv2", ("conv2", "pool2"), parts=2, split=Split.OUTPUT_CHANNELS),
            Role("conv3", ("conv3",), parts=2, split=Split.INPUT_CHANNELS),
            Role("back", tuple(names[6:])),
        ),
    )
    assert [[(message.part, message.to) for message in cut.messages("conv3", part)] for part in (0, 1)] == [
        [(0, 0)], [(1, 1)]
    ]  # fmt: skip


def small_cut(split: Split, parts: int = 3) -> Partition:
    """Two convolutions between others; one or both of them split."""
    graph = ModelGraph(
        "small",
        "small",
        (13, 7, 3),
        (
            Rescale("rescale", (FRAME,), scale=1 / 255),
            Conv2D("one", ("rescale",), 5, (5, 3), (2, 1)),
            Conv2D("two", ("one",), 4, (3, 3)),
            Conv2D("last", ("two",), 3, (1, 1), activation="linear"),
        ),
    )
    layers = ("one", "two") if split is Split.ROWS else ("two",)
    before = tuple(layer.name for layer in graph.layers)[: 3 - len(layers)]
    return Partition("small", graph, (Role("a", before), Role("b", layers, parts, split=split), Role("c", ("last",))))


@pytest.mark.parametrize("split", CONVOLUTIONS)
def test_swapped_parts_are_far_away(split: Split) -> None:
    """The control of the order: two parts the wrong way round make another tensor, except summands, which commute."""
    joining = gather.Gather(alexnet_cut(Role("conv2", ("conv2",), parts=2, split=split)), "back")
    values = np.random.default_rng(1).standard_normal((28, 28, 128), np.float32)
    halves = {
        Split.OUTPUT_CHANNELS: (values[..., :64], values[..., 64:]),
        Split.ROWS: (values[:14], values[14:]),
        Split.INPUT_CHANNELS: (values - 1, np.ones_like(values)),
    }[split]
    right = np.maximum(values - 1 + 1, 0) if split is Split.INPUT_CHANNELS else values
    payloads = [half.tobytes() for half in halves]
    (same,), (swapped,) = joining.assemble(payloads, Wire.F32), joining.assemble(payloads[::-1], Wire.F32)
    assert np.array_equal(same, right)
    assert np.array_equal(swapped, right) == (split is Split.INPUT_CHANNELS)


def test_a_halo_that_is_one_row_short_is_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the halo: zeros in place of the neighbour's nearest row change the output."""
    assert error(small_cut(Split.ROWS)) <= TOLERANCE
    whole = geometry._rows_read

    def short(shape, layer, rows):
        inside, ((above, below), aside) = whole(shape, layer, rows)
        cut = int(inside.start > 0)  # only where a neighbour has rows
        return slice(inside.start + cut, inside.stop), ((above + cut, below), aside)

    monkeypatch.setattr(geometry, "_rows_read", short)
    assert error(small_cut(Split.ROWS)) > WRONG


def test_zeros_inside_the_picture_are_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the borders: parts that each pad as if they were the whole picture give another output."""
    right = geometry.piece_of

    def alone(graph, layers, inputs, outputs, part, parts, split):
        piece = right(graph, layers, inputs, outputs, part, parts, split)
        if parts > 1:
            for name in piece.pads:
                (above, _), aside = right(graph, layers, inputs, outputs, 0, 1, split).pads[name]
                total = sum(piece.pads[name][0])
                piece.pads[name] = ((min(above, total), total - min(above, total)), aside)
        return piece

    monkeypatch.setattr("harness.partition.block.piece_of", alone)
    assert error(small_cut(Split.ROWS)) > WRONG


def test_a_bias_added_by_every_part_is_far_away() -> None:
    """The control of the bias: summands that each hold it give another output."""

    class Twice(BiasedWeights):
        def layer(self, graph, name, part=0, parts=1, split=Split.COLUMNS):
            found = super().layer(graph, name, part, parts, split)
            if split is Split.INPUT_CHANNELS and part and found:
                found["bias"] = super().layer(graph, name, 0, parts, split)["bias"]
            return found

    cut = small_cut(Split.INPUT_CHANNELS)
    assert error(cut) <= TOLERANCE
    assert error(cut, source=Twice(3)) > WRONG


def test_an_activation_before_the_sum_is_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the activation: summands behind a ReLU each give another output."""
    cut = small_cut(Split.INPUT_CHANNELS)
    right = Block.layer
    monkeypatch.setattr(
        Block, "layer", lambda self, name: self.graph.layer(name) if name == "two" else right(self, name)
    )
    assert error(cut) > WRONG


@given(st.integers(1, 50), st.integers(1, 9))
def test_spans_cover_an_axis_in_order(size: int, parts: int) -> None:
    """Parts lie one behind the other, none is empty, and sizes differ by one at most; too many parts are refused."""
    if parts > size:
        with pytest.raises(ValueError, match="does not exist"):
            part_span(size, 0, parts)
        return
    spans = [part_span(size, part, parts) for part in range(parts)]
    assert [index for span in spans for index in range(span.start, span.stop)] == list(range(size))
    sizes = {span.stop - span.start for span in spans}
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("split", CONVOLUTIONS)
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_a_part_holds_its_slice_of_the_whole_layers_weights(split: Split, parts: int) -> None:
    """Bit for bit, however the kernel is drawn; the bias of summands is held once; fingerprints tell kinds apart."""
    graph = model("alexnet")
    source = SeededWeights(9)
    whole = source.layer(graph, "conv4")
    prints = set()
    for part in range(parts):
        own = source.layer(graph, "conv4", part, parts, split)
        slices = weight_slices(graph.parameter_shapes("conv4"), part, parts, split)
        assert {name: array.shape for name, array in own.items()} == part_shapes(graph, "conv4", part, parts, split)
        assert list(own) == list(slices)
        for name, array in own.items():
            assert array.flags.c_contiguous
            np.testing.assert_array_equal(array, whole[name][slices[name]])
        assert ("bias" in own) == (part == 0 or split is not Split.INPUT_CHANNELS)
        named = [(f"conv4/{name}", array) for name, array in own.items()]
        prints |= {block_fingerprint(graph, ("conv4",), part, parts, named, kind) for kind in Split}
    assert len(prints) == parts * len(Split)


@pytest.mark.parametrize(
    ("layers", "parts", "split", "reason"),
    [
        (("conv2",), 2, Split.COLUMNS, "only a block of one dense layer"),
        (("fc1",), 2, Split.ROWS, "only convolutions, pools"),
        (("conv2", "pool2"), 2, Split.INPUT_CHANNELS, "with nothing behind it"),
        (("conv3", "conv4"), 2, Split.OUTPUT_CHANNELS, "only one convolution"),
        (("pool2",), 2, Split.OUTPUT_CHANNELS, "only one convolution"),
        (("flatten",), 2, Split.ROWS, "only convolutions, pools"),
        (("pool5", "flatten"), 8, Split.ROWS, "the 7 rows of flatten are too few for 8 parts"),
        (("conv2",), 49, Split.INPUT_CHANNELS, "the 48 channels of conv2 are too few for 49 parts"),
        (("conv2",), 129, Split.OUTPUT_CHANNELS, "the 128 filters of conv2 are too few for 129 parts"),
    ],
)
def test_a_split_that_cannot_be_is_refused(layers: tuple[str, ...], parts: int, split: Split, reason: str) -> None:
    """One line says what can be split so, or how much there is of it."""
    graph = model("alexnet")
    source = graph.layer(layers[0]).inputs
    with pytest.raises(ValueError, match=reason):
        Block(graph, layers, source, (layers[-1],), 0, parts, split)


def test_a_tensor_that_somebody_else_reads_cannot_be_split_away() -> None:
    """Layers that do not feed each other alone are refused: a branch would need what no part makes."""
    graph = ModelGraph(
        "fork",
        "fork",
        (8, 8, 3),
        (Conv2D("one", (FRAME,), 4, (3, 3)), Conv2D("two", ("one",), 4, (3, 3)), Conv2D("three", ("one",), 4, (3, 3))),
    )
    for layers, outputs in ((("one", "two"), ("one", "two")), (("two", "three"), ("two", "three"))):
        inputs = (FRAME,) if layers[0] == "one" else ("one",)
        with pytest.raises(ValueError, match="each layer feeds the next one alone"):
            Block(graph, layers, inputs, outputs, 0, 2, Split.ROWS)


def test_one_part_is_no_split() -> None:
    """A role of one part that names a split is refused: its name and fingerprint would tell of a cut that is none."""
    with pytest.raises(ValueError, match="split by rows into one part"):
        alexnet_cut(Role("conv2", ("conv2",), parts=1, split=Split.ROWS))
