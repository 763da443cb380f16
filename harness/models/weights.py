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

    def layer(self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1) -> dict[str, Floats]:
        """Weights of one layer, or of one slice of its output columns.

        Args:
            graph: the model.
            name: a layer of it.
            part: which slice along the last axis, counted from 0.
            parts: number of equal slices.

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

    def layer(self, graph: ModelGraph, name: str, part: int = 0, parts: int = 1) -> dict[str, Floats]:
        """Weights of one layer; see `WeightSource.layer`."""
        weights: dict[str, Floats] = {
            parameter: aligned_empty(shape, np.float32)
            for parameter, shape in part_shapes(graph, name, part, parts).items()
        }
        self.fill(graph, name, {part: weights}, parts)
        return weights

    def fill(self, graph: ModelGraph, name: str, targets: Mapping[int, Mapping[str, Floats]], parts: int = 1) -> None:
        """Draw slices of one layer into memory that is there; the layer is drawn once, however many there are.

        Args:
            graph: the model.
            name: a layer of it.
            targets: part -> parameter -> C-contiguous float32 array of the slice's shape, see `part_shapes`.
            parts: number of equal slices.
        """
        for parameter, shape in graph.parameter_shapes(name).items():
            pieces = [(part_columns(shape[-1], part, parts), arrays[parameter]) for part, arrays in targets.items()]
            if parameter == "kernel":
                limit = _glorot_limit(shape)
                if name == graph.output:
                    limit *= LOGITS_GAIN.get(graph.name, 1.0)
                _draw_uniform(stream("weights", SCHEME, graph.name, name, self.seed), shape, pieces, limit)
            else:
                for _, array in pieces:
                    array.fill(0.0)


def part_shapes(graph: ModelGraph, name: str, part: int, parts: int) -> dict[str, Shape]:
    """Shapes of a slice of a layer's weights, by parameter.

    Raises:
        ValueError: the columns do not divide into that many parts, or there is no such part.
    """
    shapes = {}
    for parameter, shape in graph.parameter_shapes(name).items():
        columns = part_columns(shape[-1], part, parts)
        shapes[parameter] = (*shape[:-1], columns.stop - columns.start)
    return shapes


def part_columns(units: int, part: int, parts: int) -> slice:
    """The output columns that a part holds.

    Raises:
        ValueError: the columns do not divide into that many parts, or there is no such part.
    """
    if parts < 1 or units % parts or not 0 <= part < parts:
        raise ValueError(f"part {part} of {parts} of {units} columns does not exist")
    width = units // parts
    return slice(part * width, (part + 1) * width)


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
) -> str:
    """16 hex digits over the model's definition, the layers, the part and every byte of every weight.

    Args:
        graph: the whole model.
        layers: the layers of the block, in order.
        part: which slice, counted from 0.
        parts: number of slices.
        weights: (`layer/parameter`, array) pairs in order; may be lazy, so that one layer is held at a time.
    """
    digest = hashlib.sha256(f"{graph.digest()}|{'+'.join(layers)}|{part}/{parts}".encode())
    for name, array in weights:
        digest.update(f"|{name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()[:_FINGERPRINT_DIGITS]


def _glorot_limit(kernel: Shape) -> float:
    """Half-width of the uniform distribution of Glorot and Bengio (2010) for a Keras kernel shape."""
    window = math.prod(kernel[:-2])
    fan_in, fan_out = kernel[-2] * window, kernel[-1] * window
    return math.sqrt(6.0 / (fan_in + fan_out))


def _draw_uniform(source: np.random.PCG64, shape: Shape, pieces: Sequence[tuple[slice, Floats]], limit: float) -> None:
    """Columns of a kernel that is uniform in [-limit, limit] and drawn row by row as a whole."""
    width = shape[-1]
    rows = math.prod(shape[:-1])
    flat = [(columns, array.reshape(rows, -1)) for columns, array in pieces]
    scale = np.float32(limit / 2**31)
    step = max(2, _CHUNK_FLOATS // width // 2 * 2)  # even, so that no chunk but the last ends in half a word
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        integers = draw_int32(source, (stop - start) * width).reshape(stop - start, width)
        for columns, array in flat:
            np.multiply(integers[:, columns], scale, out=array[start:stop], dtype=np.float32, casting="unsafe")
