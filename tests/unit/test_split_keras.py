"""Split blocks on the real runtimes: each part a block as a node loads it, together equal to the unsplit layers."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.splits import BiasedWeights, measure_span
from harness.bench.rounding import rounded_outputs
from harness.errors import MissingPackageError
from harness.models.graph import FRAME, Conv2D, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.models.split import Split
from harness.partition.block import whole_model
from harness.partition.partition import Partition, Role
from harness.records.computing import Wanted
from harness.runtime import configure, load_block, open_runtime

TOLERANCE = 1e-5
WRONG = 1e-3
SOURCE = BiasedWeights(2)


@pytest.fixture(scope="module", autouse=True)
def _cpu() -> None:
    configure("cpu", threads=1)


def network(strides: tuple[int, int]) -> ModelGraph:
    """Windows of odd and even size with that stride, a pool that leaves a row out, all flattened."""
    return ModelGraph(
        "net",
        "net",
        (23, 9, 3),
        (
            Rescale("rescale", (FRAME,), scale=1 / 255),
            Conv2D("one", ("rescale",), 6, (5, 4), strides),
            Conv2D("two", ("one",), 7, (4, 3)),
            MaxPool2D("pool", ("two",)),
            Conv2D("three", ("pool",), 5, (3, 1), activation="linear"),
            Flatten("flatten", ("three",)),
        ),
    )


CUTS = {
    Split.OUTPUT_CHANNELS: (("rescale", "one"), ("two", "pool"), ("three", "flatten")),
    Split.INPUT_CHANNELS: (("rescale", "one"), ("two",), ("pool",), ("three",), ("flatten",)),
    Split.ROWS: (("rescale", "one", "two", "pool"), ("three", "flatten")),
}
"""Every group that can be split so is."""


def cut_of(graph: ModelGraph, split: Split, parts: int) -> Partition:
    """The network with every convolution split."""
    convolutions = {"one", "two", "three"}
    roles = [
        Role(f"role{at}", layers, parts=parts, split=split) if convolutions & set(layers) else Role(f"role{at}", layers)
        for at, layers in enumerate(CUTS[split])
    ]
    return Partition("net", graph, tuple(roles))


def frames(graph: ModelGraph) -> np.ndarray:
    """Two of them."""
    return np.random.default_rng(4).integers(0, 256, (2, *graph.input_shape), np.uint8)


def error(found: np.ndarray, right: np.ndarray) -> float:
    """Largest difference, as a share of the largest right value."""
    return float(np.abs(found - right).max() / np.abs(right).max())


@pytest.mark.parametrize("strides", [(1, 1), (3, 2)])
@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("split", CUTS)
def test_keras_parts_equal_the_unsplit_layers(split: Split, parts: int, strides: tuple[int, int]) -> None:
    """Every kind, number of parts and stride: to 1e-5 of the largest output; weights of another seed are far away."""
    graph = network(strides)
    images = frames(graph)
    whole = load_block(whole_model(graph), SOURCE)
    right = np.stack([whole(image)[0] for image in images])
    cut = cut_of(graph, split, parts)
    found = rounded_outputs(cut, lambda block: load_block(block, SOURCE), images)
    assert error(found, right) <= TOLERANCE
    lost = rounded_outputs(cut, lambda block: without_last(load_block(block, SOURCE)), images)
    assert error(lost, right) > WRONG, "control: the last part's results are zeros"


def without_last(loaded):
    """A block, or zeros where it is the last of several parts."""
    block = loaded.block
    if block.parts == 1 or block.part < block.parts - 1:
        return loaded
    return lambda *inputs: tuple(np.zeros_like(output) for output in loaded(*inputs))


@pytest.mark.parametrize("split", CUTS)
@pytest.mark.parametrize(
    "wanted",
    [Wanted(way="packed"), Wanted(way="xla"), Wanted("onnx"), Wanted("openvino")],
    ids=lambda wanted: f"{wanted.runtime}-{wanted.way}",
)
def test_other_ways_and_runtimes_compute_parts_too(split: Split, wanted: Wanted) -> None:
    """Parts of every kind, with zeros of their own and without bias, in every runtime that is installed."""
    try:
        runtime = open_runtime(wanted)
    except MissingPackageError as missing:
        pytest.skip(str(missing))
    graph = network((2, 2))
    images = frames(graph)[:1]
    whole = load_block(whole_model(graph), SOURCE)
    right = np.stack([whole(image)[0] for image in images])
    found = rounded_outputs(cut_of(graph, split, 2), lambda block: runtime.load(block, SOURCE), images)
    assert error(found, right) <= 2 * TOLERANCE


def test_parts_show_who_they_are() -> None:
    """Fingerprints of all parts of all kinds differ, those of equal weights by rows too."""
    graph = network((1, 1))
    prints = []
    for split in CUTS:
        cut = cut_of(graph, split, 2)
        role = next(role for role in cut.roles if role.parts == 2)
        prints += [load_block(cut.block(role.name, part), SOURCE).fingerprint for part in (0, 1)]
    assert len(set(prints)) == len(prints)


def test_a_real_layer_of_alexnet() -> None:
    """The benchmark's own measurement: conv3 in two parts by each kind is right, and its control is not."""
    found = measure_span("alexnet", "conv3", [2], rounds=1)
    assert [one.split for one in found] == ["output_channels", "input_channels", "rows"]
    assert all(one.error <= TOLERANCE for one in found)
    assert all(one.control > WRONG for one in found)
