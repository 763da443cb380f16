"""Weights that every device makes for itself, and the fingerprints that prove they are the same.

Seeded weights are a pure function of (model, layer, seed), so nothing has to be shipped to a farm. The raw
stream of PCG64 is used, not numpy's distributions: numpy promises that the first never changes between
versions, and that of the second it may. The scheme's version is part of the identity.

Why the last layer has a gain: with Glorot's limits alone every ReLU layer weakens the signal, the logits end
up nearly equal, and all frames get the same flat answer; with too large a gain the softmax is one-hot. Either
would make an equality check prove nothing. See `LOGITS_GAIN`.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.models.graph import ModelGraph, Shape
from harness.models.memory import aligned_empty
from harness.models.split import Split, weight_slices
from harness.models.streams import draw_int32, stream

Floats = npt.NDArray[np.float32]

SCHEME = 1
"""Version of the way in which seeds become weights; part of every identity."""

LOGITS_GAIN: Mapping[str, float] = {"alexnet": 70.0, "vgg16": 1500.0}
"""Factor on the last layer's kernel, by model; 1 for others. A change needs a new `SCHEME`.

Chosen by measurement, as the smallest round figure that makes answers peaked without saturating them. Highest
probability of an answer (lowest .. median .. highest over frames and seeds) and the least difference, in any
one element, between the answers to two frames of a pool (`frame_pool(7, ...)`; wanted: 1e-4, 100 times the
tolerance of a farm's answers):

======== ==== ============== =========================== ================
model    gain frames x seeds highest probability         least difference
======== ==== ============== =========================== ================
alexnet     1 32 x 8         0.0010 .. 0.0011 .. 0.0011  0.0000075
alexnet    70 32 x 8         0.0051 .. 0.0314 .. 0.2597  0.0015
alexnet   200 32 x 8         0.0349 .. 0.3255 .. 0.9906  0.0009
vgg16       1 24 x 4         0.0010 .. 0.0010 .. 0.0010  0.0000003
vgg16    1500 24 x 4         0.0052 .. 0.0271 .. 0.3852  0.0017
vgg16    3000 24 x 4         0.0192 .. 0.1461 .. 0.9178  0.0073
======== ==== ============== =========================== ================
"""

_CHUNK_FLOATS = 2**18  # 1 MiB at a time stays in a cache, and even a Pi 3 can spare it
_FINGERPRINT_DIGITS = 16


class WeightSource(Protocol):
    """Where the weights of a model come from."""

    @property
    def identity(self) -> str:
        """Names the weights; equal identities mean equal weights for every layer."""

    def layer(
        self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1, split: Split = Split.COLUMNS
    ) -> dict[str, Floats]:
        """Weights of one layer, or what one part of it holds of them.

        Args:
            graph: the model.
            name: a layer of it.
            part: which part, counted from 0.
            parts: number of parts.
            split: how the layer is cut; see `harness.models.split.weight_slices`.

        Returns:
            float32 arrays, C-contiguous, in the order and with the names of `graph.parameter_shapes(name)`.
        """


class SeededWeights:
    """Glorot-uniform kernels and zero biases, drawn from a seed.

    A kernel is uniform within +-sqrt(6 / (fan in + fan out)) of the whole layer (Keras' default), times the
    model's `LOGITS_GAIN` in its last layer. A slice equals the same columns of the whole layer bit for bit,
    and the whole layer is never held to make it.

    Args:
        seed: any integer.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @property
    def identity(self) -> str:
        """`seed:<scheme version>:<seed>`."""
        return f"seed:{SCHEME}:{self.seed}"

    def layer(
        self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1, split: Split = Split.COLUMNS
    ) -> dict[str, Floats]:
        """Weights of one layer; see `WeightSource.layer`."""
        weights: dict[str, Floats] = {
            parameter: aligned_empty(shape, np.float32)
            for parameter, shape in part_shapes(graph, name, part, parts, split).items()
        }
        self.fill(graph, name, {part: weights}, parts, split)
        return weights

    def fill(
        self,
        graph: ModelGraph,
        name: str,
        targets: Mapping[int, Mapping[str, Floats]],
        parts: int = 1,
        split: Split = Split.COLUMNS,
    ) -> None:
        """Draw slices of one layer into memory that is there; the layer is drawn once, however many there are.

        Args:
            graph: the model.
            name: a layer of it.
            targets: part -> parameter -> C-contiguous float32 array of the slice's shape, see `part_shapes`.
            parts: number of parts.
            split: how the layer is cut.
        """
        shapes = graph.parameter_shapes(name)
        held = {part: weight_slices(shapes, part, parts, split) for part in targets}
        for parameter, shape in shapes.items():
            pieces = [
                (held[part][parameter], arrays[parameter])
                for part, arrays in targets.items()
                if parameter in held[part]
            ]
            if parameter == "kernel":
                limit = _glorot_limit(shape)
                if name == graph.output:
                    limit *= LOGITS_GAIN.get(graph.name, 1.0)
                _draw_uniform(stream("weights", SCHEME, graph.name, name, self.seed), shape, pieces, limit)
            else:
                for _, array in pieces:
                    array.fill(0.0)


def part_shapes(graph: ModelGraph, name: str, part: int, parts: int, split: Split = Split.COLUMNS) -> dict[str, Shape]:
    """Shapes of what a part holds of a layer's weights, by parameter; without those of which it holds nothing.

    Raises:
        ValueError: the columns do not divide into that many parts, or there is no such part.
    """
    shapes = graph.parameter_shapes(name)
    return {
        parameter: tuple(len(range(*one.indices(size))) for one, size in zip(slices, shapes[parameter], strict=True))
        for parameter, slices in weight_slices(shapes, part, parts, split).items()
    }


def model_fingerprint(graph: ModelGraph, source_identity: str) -> str:
    """16 hex digits over the definition of a model and the identity of its weights.

    Two devices with the same one agree on every block; it costs nothing, since no weight is read.
    """
    return hashlib.sha256(f"{graph.digest()}|{source_identity}".encode()).hexdigest()[:_FINGERPRINT_DIGITS]


def block_fingerprint(
    graph: ModelGraph,
    layers: Sequence[str],
    part: int,
    parts: int,
    weights: Iterable[tuple[str, Floats]],
    split: Split = Split.COLUMNS,
) -> str:
    """16 hex digits over the model's definition, the layers, the part and every byte of every weight.

    Args:
        graph: the whole model.
        layers: the layers of the block, in order.
        part: which part, counted from 0.
        parts: number of parts.
        weights: (`layer/parameter`, array) pairs in order; may be lazy, so that one layer is held at a time.
        split: how the block is cut; parts by rows hold the same weights, and are not the same block.
    """
    how = "" if split is Split.COLUMNS else f" {split}"
    digest = hashlib.sha256(f"{graph.digest()}|{'+'.join(layers)}|{part}/{parts}{how}".encode())
    for name, array in weights:
        digest.update(f"|{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()[:_FINGERPRINT_DIGITS]


def _glorot_limit(kernel: Shape) -> float:
    """Half-width of the uniform distribution of Glorot and Bengio (2010) for a Keras kernel shape."""
    window = math.prod(kernel[:-2])
    fan_in, fan_out = kernel[-2] * window, kernel[-1] * window
    return math.sqrt(6.0 / (fan_in + fan_out))


def _draw_uniform(
    source: np.random.PCG64, shape: Shape, pieces: Sequence[tuple[tuple[slice, ...], Floats]], limit: float
) -> None:
    """Slices of a kernel that is uniform in [-limit, limit] and drawn row by row as a whole."""
    width = shape[-1]
    # Rows are drawn in groups within which every slice along the last but one axis is the same.
    group = 1 if all(slices[-2] == slice(None) for slices, _ in pieces) else shape[-2]
    groups = math.prod(shape[:-1]) // group
    flat = [(slices[-2:], array.reshape(groups, -1, array.shape[-1])) for slices, array in pieces]
    scale = np.float32(limit / 2**31)
    # Even, so that no chunk but the last ends in half a word.
    step = max(2, _CHUNK_FLOATS // (group * width) // 2 * 2)
    for start in range(0, groups, step):
        stop = min(start + step, groups)
        integers = draw_int32(source, (stop - start) * group * width).reshape(stop - start, group, width)
        for (rows, columns), array in flat:
            drawn = integers[:, rows, columns]
            np.multiply(drawn, scale, out=array[start:stop], dtype=np.float32, casting="unsafe")
