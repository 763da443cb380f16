"""What a farm must answer whose wire rounds: block after block, each part by itself, and no other."""

from dataclasses import replace

import numpy as np
import pytest

from harness.bench.rounding import rounded_outputs, wire_cost
from harness.errors import BadInputError
from harness.models.frames import frame_pool
from harness.partition.codec import travelled
from harness.partition.paper import partition
from harness.partition.wire import Wire

CUT = partition("alexnet-5")
IMAGES = frame_pool(3, 3, CUT.graph.input_shape)


def linear(block):
    """A block of a small computation in NumPy that depends on every input and on the part."""
    (tensor,) = block.outputs
    columns = block.graph.shape(tensor)[-1] // block.parts
    rng = np.random.default_rng(len(block.layers) + 10 * block.part)

    def compute(array):
        flat = np.asarray(array, np.float32).reshape(-1)[:300]
        return (flat @ rng_matrix(flat.size, columns),)

    matrix = rng.standard_normal((300, columns), np.float32) / 100

    def rng_matrix(rows, count):
        return matrix[:rows, :count]

    return compute


def by_hand(wire, order=(0, 1), mixed=False):
    """The same by hand, with the halves in an order, and where asked with a half of the frame before."""
    one, *halves, last = (linear(CUT.block(role, part)) for role, part in
                          (("block1", 0), ("block2", 0), ("block2", 1), ("block3", 0)))  # fmt: skip
    features = [travelled(one(image)[0], wire) for image in IMAGES]
    slices = [[travelled(half(feature)[0], wire) for half in halves] for feature in features]
    if mixed:
        slices = [[slices[number - 1][0], slices[number][1]] for number in range(len(slices))]
    return np.stack([last(np.concatenate([parts[part] for part in order]))[0] for parts in slices])


@pytest.mark.parametrize("wire", Wire)
def test_rounded_outputs_are_those_of_an_honest_farm(wire):
    """Every tensor is rounded once for each part, the result is not, and mixed or swapped parts give something else."""
    found = rounded_outputs(replace(CUT, wire=wire), linear, IMAGES)
    assert np.array_equal(found, by_hand(wire))
    for wrong in (by_hand(wire, order=(1, 0)), by_hand(wire, mixed=True)):
        assert np.abs(found - wrong).max() > 1e-3, "control"


def test_each_wire_is_off_by_its_own_rounding():
    """Halves are off by less than bytes, and both by something; f32 is off by nothing."""
    exact = rounded_outputs(CUT, linear, IMAGES)
    costs = [wire_cost(replace(CUT, wire=wire), rounded_outputs(replace(CUT, wire=wire), linear, IMAGES), exact)
             for wire in (Wire.FP16, Wire.UINT8)]  # fmt: skip
    assert 0 < max(costs[0]["errors"]) < max(costs[1]["errors"])
    assert wire_cost(CUT, exact, None) is None
    assert [cost["encoding"] for cost in costs] == ["fp16", "uint8"]
    assert all(len(cost["errors"]) == len(cost["same_class"]) == len(IMAGES) for cost in costs)
    assert {cost["f32_bytes_per_frame"] for cost in costs} == {CUT.frame_bytes}


def test_same_class_is_told_for_each_image():
    """An image whose most likely class another one takes is told, and the others are not."""
    exact = np.array([[0.2, 0.8], [0.6, 0.4]], np.float32)
    rounded = np.array([[0.3, 0.7], [0.4, 0.6]], np.float32)
    cost = wire_cost(replace(CUT, wire=Wire.UINT8), rounded, exact)
    assert cost["same_class"] == [True, False]
    assert cost["errors"] == pytest.approx([0.1, 0.2])


def test_a_value_beyond_the_wire_names_its_layer():
    """A tensor that fp16 cannot carry is an error before anything is measured; uint8 carries it."""

    def large(block):
        compute = linear(block)
        return lambda array: tuple(output * 1e5 for output in compute(array))

    with pytest.raises(BadInputError, match=r"^flatten cannot travel as fp16: it holds -?\d.*, fp16 ends at 65504 "):
        rounded_outputs(replace(CUT, wire=Wire.FP16), large, IMAGES)
    assert np.isfinite(rounded_outputs(replace(CUT, wire=Wire.UINT8), large, IMAGES)).all()
