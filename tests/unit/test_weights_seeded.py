"""Seeded weights and fingerprints: the same everywhere, and different whenever anything differs."""

import hashlib
import math
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.models.catalogue import model
from harness.models.graph import FRAME, Conv2D, Dense, Flatten, ModelGraph
from harness.models.split import part_columns
from harness.models.weights import (
    LOGITS_GAIN,
    SCHEME,
    SeededWeights,
    block_fingerprint,
    model_fingerprint,
)

IN_ANOTHER_PROCESS = """
from harness.models.catalogue import model
from harness.models.weights import SeededWeights, block_fingerprint
graph = model("alexnet")
source = SeededWeights(11)
layers = [layer.name for layer in graph.layers]
weights = ((f"{n}/{k}", v) for n in layers for k, v in source.layer(graph, n).items())
print(block_fingerprint(graph, layers, 0, 1, weights))
"""


def small(side: int = 3, units: int = 4, name: str = "small") -> ModelGraph:
    """A convolution and two dense layers of a few weights."""
    return ModelGraph(
        name,
        "Small",
        (side, side, 2),
        (
            Conv2D("conv", (FRAME,), filters=3, kernel_size=(2, 3)),
            Flatten("flatten", ("conv",)),
            Dense("fc", ("flatten",), units=units),
            Dense("out", ("fc",), units=2, activation="softmax"),
        ),
    )


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(-(2**40), 2**40),
    side=st.integers(1, 30),
    width=st.integers(1, 700),
    parts=st.integers(1, 6),
    data=st.data(),
)
def test_a_slice_equals_the_columns_of_the_whole_layer(seed, side, width, parts, data):
    """For any layer and any number of parts, a part is bit-equal to those columns; a neighbour is not."""
    graph = small(side, units=width * parts)
    part = data.draw(st.integers(0, parts - 1))
    source = SeededWeights(seed)
    whole, piece = source.layer(graph, "fc"), source.layer(graph, "fc", part, parts)
    columns = slice(part * width, (part + 1) * width)
    for key in ("kernel", "bias"):
        assert piece[key].dtype == np.float32
        assert piece[key].flags.c_contiguous
        np.testing.assert_array_equal(piece[key], whole[key][..., columns])
    if parts > 1:
        other = source.layer(graph, "fc", (part + 1) % parts, parts)
        assert not np.array_equal(other["kernel"], piece["kernel"])


@pytest.mark.parametrize("name", ["conv3", "fc2"])
def test_weights_are_the_documented_stream(name):
    """A layer is what its documentation says: raw PCG64 words as signed integers, scaled to Glorot's limit."""
    graph = model("alexnet")
    shape = graph.parameter_shapes(name)["kernel"]
    key = hashlib.sha256(f"ck-iot-farm:weights:{SCHEME}:alexnet:{name}:5".encode()).digest()
    words = np.random.PCG64(int.from_bytes(key, "big")).random_raw(math.prod(shape) // 2)
    window = math.prod(shape[:-2])
    limit = math.sqrt(6 / (window * (shape[-2] + shape[-1])))
    expected = words.view("<i4").astype(np.float32).reshape(shape) * np.float32(limit / 2**31)
    weights = SeededWeights(5).layer(graph, name)
    np.testing.assert_array_equal(weights["kernel"], expected)
    assert not weights["bias"].any()


def test_spread_is_glorots():
    """The kernel of a large layer fills its limits evenly; the last layer is wider by its gain."""
    graph = model("alexnet")
    for name, gain in (("fc2", 1.0), ("predictions", LOGITS_GAIN["alexnet"])):
        kernel = SeededWeights(0).layer(graph, name)["kernel"]
        limit = gain * math.sqrt(6 / sum(kernel.shape))
        assert np.abs(kernel).max() == pytest.approx(limit, rel=1e-4)
        assert kernel.std() == pytest.approx(limit / math.sqrt(3), rel=1e-2)
        assert abs(kernel.mean()) < limit * 1e-2


def test_every_part_of_the_key_counts():
    """Another seed, layer or model gives unrelated weights; the same key gives the same ones."""
    base = SeededWeights(1).layer(small(), "fc")["kernel"]
    np.testing.assert_array_equal(SeededWeights(1).layer(small(), "fc")["kernel"], base)
    assert not np.array_equal(SeededWeights(2).layer(small(), "fc")["kernel"], base)
    assert not np.array_equal(SeededWeights(1).layer(small(name="other"), "fc")["kernel"], base)
    alexnet = model("alexnet")
    twins = [SeededWeights(1).layer(alexnet, name)["kernel"].ravel()[:100] for name in ("conv4", "conv5")]
    assert abs(np.corrcoef(*twins)[0, 1]) < 0.5


def test_another_process_makes_the_same_weights():
    """Every weight of AlexNet has the same bits in two further processes; another seed has not."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS.replace("11", seed)],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout.strip()
        for seed in ("11", "11", "12")
    ]
    assert runs[0] == runs[1] == "376f7a1128dbc7a8"
    assert runs[2] != runs[0]


def test_a_half_is_drawn_without_the_whole():
    """Half of AlexNet's fc1 (51 MB) needs little more memory than itself; the whole needs twice that."""
    graph = model("alexnet")
    peaks = []
    for parts in (2, 1):
        tracemalloc.start()
        SeededWeights(0).layer(graph, "fc1", 0, parts)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < 51.4e6 + 8e6
    assert peaks[1] > 102e6


@pytest.mark.parametrize(("units", "part", "parts"), [(10, 0, 3), (10, 2, 2), (10, -1, 2), (10, 0, 0)])
def test_a_part_that_does_not_exist(units, part, parts):
    """Columns that do not divide, and parts beyond the last, are errors."""
    with pytest.raises(ValueError, match="does not exist"):
        part_columns(units, part, parts)


def test_layers_without_weights():
    """A layer with nothing to learn has no arrays."""
    assert SeededWeights(0).layer(small(), "flatten") == {}


def test_identity_names_scheme_and_seed():
    """The identity tells seeds apart, and so does the fingerprint of the model made from it."""
    assert SeededWeights(-3).identity == f"seed:{SCHEME}:-3"
    graph = model("alexnet")
    prints = {
        model_fingerprint(graph, SeededWeights(1).identity),
        model_fingerprint(graph, SeededWeights(2).identity),
        model_fingerprint(model("vgg16"), SeededWeights(1).identity),
    }
    assert len(prints) == 3
    assert model_fingerprint(replace(graph, title="x"), "a") == model_fingerprint(graph, "a")


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_one_changed_float_changes_the_fingerprint(data):
    """One bit of one weight, the part, the layers or the model: each changes a block's fingerprint."""
    graph = small()
    weights = [(f"fc/{key}", array) for key, array in SeededWeights(0).layer(graph, "fc").items()]
    base = block_fingerprint(graph, ("fc",), 0, 1, weights)
    assert len(base) == 16
    assert block_fingerprint(graph, ("fc",), 0, 1, iter(weights)) == base

    which = data.draw(st.integers(0, 1))
    name, array = weights[which]
    bits = array.copy().view(np.uint32)
    index = data.draw(st.integers(0, bits.size - 1))
    bits.reshape(-1)[index] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    changed = [*weights]
    changed[which] = (name, bits.view(np.float32))
    others = [
        block_fingerprint(graph, ("fc",), 0, 1, changed),
        block_fingerprint(graph, ("fc",), 1, 2, weights),
        block_fingerprint(graph, ("out",), 0, 1, weights),
        block_fingerprint(small(name="other"), ("fc",), 0, 1, weights),
    ]
    assert base not in others
    assert len(set(others)) == 4
