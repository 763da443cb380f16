"""Blocks on the real TensorFlow: right by themselves, and together equal to the whole model."""

import math

import numpy as np
import pytest
from tiny_model import by_hand, tiny

from harness.models.catalogue import model
from harness.models.frames import frame_pool
from harness.models.graph import FRAME, Dense, Flatten, ModelGraph, Rescale
from harness.models.weights import SeededWeights
from harness.partition.block import Block, whole_model
from harness.runtime import configure, load_block

TOLERANCE = 1e-6
CLEARLY_DIFFERENT = 1e-4


@pytest.fixture(scope="module", autouse=True)
def _cpu():
    configure("cpu", threads=1)


@pytest.fixture(scope="module")
def frames():
    """Four distinct frames."""
    return frame_pool(1, 4, (224, 224, 3))


@pytest.fixture(scope="module")
def alexnet_answers(frames):
    """What a single device answers to each frame."""
    whole = load_block(whole_model(model("alexnet")), SeededWeights(4))
    return np.stack([whole(frame)[0] for frame in frames])


def alexnet_roles(seed: int) -> tuple:
    """AlexNet cut as the paper cuts it: convolutions, two halves of fc1, the rest."""
    graph = model("alexnet")
    names = [layer.name for layer in graph.layers]
    source = SeededWeights(seed)
    convolutions = tuple(names[: names.index("flatten") + 1])
    return (
        load_block(Block(graph, convolutions, (FRAME,), ("flatten",)), source),
        [load_block(Block(graph, ("fc1",), ("flatten",), ("fc1",), part, 2), source) for part in (0, 1)],
        load_block(Block(graph, ("fc2", "predictions"), ("fc1",), ("predictions",)), source),
    )


def farm_answers(roles: tuple, frames: np.ndarray, order: tuple[int, int] = (0, 1)) -> np.ndarray:
    """Answers of the cut model; `order` is the order in which the halves are joined."""
    block1, halves, block3 = roles
    results = []
    for frame in frames:
        (features,) = block1(frame)
        (joined,) = (np.concatenate([halves[part](features)[0] for part in order]),)
        results.append(block3(joined)[0])
    return np.stack(results)


def test_cut_alexnet_equals_the_whole(frames, alexnet_answers):
    """Convolutions, both halves of fc1 and the rest give the single device's answers, whole vectors, 4 frames.

    Controls: swapped halves, weights of another seed, and the answers to other frames are far away.
    """
    roles = alexnet_roles(seed=4)
    whole = alexnet_answers
    assert np.abs(farm_answers(roles, frames) - whole).max() <= TOLERANCE
    swapped = np.abs(farm_answers(roles, frames, order=(1, 0)) - whole).max(axis=1)
    assert swapped.min() > CLEARLY_DIFFERENT
    wrong_frame = np.abs(farm_answers(roles, np.roll(frames, 1, axis=0)) - whole).max(axis=1)
    assert wrong_frame.min() > CLEARLY_DIFFERENT


def test_another_seed_is_far_away(frames, alexnet_answers):
    """The control of seeds: the same cut with other weights answers otherwise, and its fingerprints differ."""
    roles = alexnet_roles(seed=5)
    assert np.abs(farm_answers(roles, frames) - alexnet_answers).max(axis=1).min() > CLEARLY_DIFFERENT
    assert roles[0].fingerprint != alexnet_roles(seed=4)[0].fingerprint


def test_halves_of_vgg16s_dense_layers_equal_the_whole():
    """Both halves of VGG16's fc1, joined in order, give fc1; fc2 then answers the same. Control: swapped."""
    graph = model("vgg16")
    source = SeededWeights(6)
    features = np.random.default_rng(0).random(graph.shape("flatten"), dtype=np.float32)
    (whole,) = load_block(Block(graph, ("fc1",), ("flatten",), ("fc1",)), source)(features)
    halves = [
        load_block(Block(graph, ("fc1",), ("flatten",), ("fc1",), part, 2), source)(features)[0] for part in (0, 1)
    ]
    scale = np.abs(whole).max()
    assert np.abs(np.concatenate(halves) - whole).max() <= TOLERANCE * scale
    assert np.abs(np.concatenate(halves[::-1]) - whole).max() > 0.1 * scale

    rest = load_block(Block(graph, ("fc2", "predictions"), ("fc1",), ("predictions",)), source)
    (answer,), (joined_answer,), (swapped_answer,) = (
        rest(whole),
        rest(np.concatenate(halves)),
        rest(np.concatenate(halves[::-1])),
    )
    assert np.abs(joined_answer - answer).max() <= TOLERANCE
    assert np.abs(swapped_answer - answer).max() > CLEARLY_DIFFERENT


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_layers_compute_what_they_say(stride):
    """Every kind of layer agrees with the same network written out in float64; another seed does not."""
    graph = tiny(stride)
    frame = frame_pool(2, 1, graph.input_shape)[0]
    (answer,) = load_block(whole_model(graph), SeededWeights(1))(frame)
    assert answer.dtype == np.float32
    assert np.abs(by_hand(graph, SeededWeights(1), frame) - answer).max() <= TOLERANCE
    assert np.abs(by_hand(graph, SeededWeights(2), frame) - answer).max() > CLEARLY_DIFFERENT


def test_several_inputs_and_outputs_keep_their_order():
    """A block with two inputs and two outputs takes and returns them in the order that it names."""
    graph = ModelGraph(
        "branches",
        "Branches",
        (2, 2, 1),
        (
            Rescale("left", (FRAME,), 0.5),
            Rescale("right", (FRAME,), 2.0),
            Flatten("left_flat", ("left",)),
            Dense("right_scaled", ("left_flat",), 3),
            Flatten("right_flat", ("right",)),
        ),
    )
    block = Block(graph, ("left_flat", "right_flat"), ("right", "left"), ("left_flat", "right_flat"))
    loaded = load_block(block, SeededWeights(0))
    right, left = np.arange(4, dtype=np.float32).reshape(2, 2, 1), np.full((2, 2, 1), 7, dtype=np.float32)
    left_flat, right_flat = loaded(right, left)
    assert loaded.input_bytes == {"right": 16, "left": 16}
    np.testing.assert_array_equal(left_flat, [7, 7, 7, 7])
    np.testing.assert_array_equal(right_flat, [0, 1, 2, 3])


def test_results_are_not_overwritten_by_the_next_frame():
    """A result keeps its values while later frames are computed, and can be written to."""
    graph = tiny(1)
    loaded = load_block(whole_model(graph), SeededWeights(1))
    one, other = frame_pool(2, 2, graph.input_shape)
    (first,) = loaded(one)
    kept = first.copy()
    for _ in range(20):
        loaded(other)
    np.testing.assert_array_equal(first, kept)
    assert first.flags.writeable
    assert not np.array_equal(loaded(other)[0], kept)


@pytest.mark.parametrize(
    "inputs",
    [
        (np.zeros((9, 8, 2), np.float32),),
        (np.zeros((8, 9, 2), np.uint8),),
        (np.zeros((1, 9, 8, 2), np.uint8),),
        (),
        (np.zeros((9, 8, 2), np.uint8),) * 2,
    ],
)
def test_wrong_arrays_are_refused(inputs):
    """Another shape, another type and another number of arrays never reach the model."""
    loaded = load_block(whole_model(tiny(1)), SeededWeights(1))
    with pytest.raises(ValueError, match=r"expected uint8|argument"):
        loaded(*inputs)


class _OneFloatOff:
    """Seeded weights of which one float is changed by the least that a float32 can hold."""

    identity = "seed-but-one"

    def layer(self, graph, name, *part):
        weights = SeededWeights(1).layer(graph, name, *part)
        if name == "fc":
            weights["kernel"][3, 2] = np.nextafter(weights["kernel"][3, 2], np.float32(1))
        return weights


def test_fingerprint_is_of_the_weights_in_place():
    """Equal weights give equal fingerprints however they got there; one float more or less shows."""
    graph = tiny(1)

    class Unaligned:
        """The same weights in memory that TensorFlow cannot take over as it is."""

        identity = "copied"

        def layer(self, graph, name, *part):
            copies = {}
            for key, array in SeededWeights(1).layer(graph, name, *part).items():
                memory = np.empty(array.nbytes + 68, np.uint8)
                start = -memory.ctypes.data % 64 + 4
                copies[key] = memory[start : start + array.nbytes].view(np.float32).reshape(array.shape)
                copies[key][...] = array
            return copies

    base = load_block(whole_model(graph), SeededWeights(1))
    copied = load_block(whole_model(graph), Unaligned())
    assert base.fingerprint == copied.fingerprint
    assert len(base.fingerprint) == 16
    assert load_block(whole_model(graph), _OneFloatOff()).fingerprint != base.fingerprint
    halves = {
        load_block(Block(graph, ("fc",), ("flatten",), ("fc",), part, 2), SeededWeights(1)).fingerprint
        for part in (0, 1)
    }
    assert len(halves) == 2
    frame = frame_pool(0, 1, graph.input_shape)[0]
    np.testing.assert_array_equal(base(frame)[0], copied(frame)[0])


def test_a_part_of_a_layer_gives_its_columns():
    """A third of a dense layer gives exactly that third of the layer's output."""
    graph = tiny(1)
    features = np.random.default_rng(1).random(math.prod(graph.shape("flatten")), dtype=np.float32)
    (whole,) = load_block(Block(graph, ("fc",), ("flatten",), ("fc",)), SeededWeights(1))(features)
    for part in range(3):
        (third,) = load_block(Block(graph, ("fc",), ("flatten",), ("fc",), part, 3), SeededWeights(1))(features)
        assert third.shape == (2,)
        np.testing.assert_allclose(third, whole[2 * part : 2 * part + 2], atol=TOLERANCE)
