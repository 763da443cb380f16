"""A block that is ready to compute, whichever runtime computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.models.weights import Floats, WeightSource
from harness.partition.block import Block
from harness.records.computing import Choice, Precision

Array = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
Compute = Callable[[tuple[Array, ...]], tuple[Floats, ...]]
"""Computes one frame: an array per input, and an array in memory of its own per output, all without batch axis."""


class Runtime(Protocol):
    """What builds blocks and computes them.

    Attributes:
        name: one of `harness.records.computing.RUNTIMES`.
        precision: one of `harness.records.computing.PRECISIONS`.
    """

    name: str
    precision: Precision

    def versions(self) -> dict[str, str]:
        """Package -> version of all that computes.

        Raises:
            MissingPackageError: one of them is not installed.
        """

    def load(self, block: Block, weights: WeightSource, *, try_out: bool = True) -> LoadedBlock:
        """Build a block with its weights in place.

        Args:
            block: the layers and the part to compute.
            weights: where the weights come from.
            try_out: compute once before it is used; without that the first frame may take longer than the next.
        """


class LoadedBlock:
    """A block that is ready to compute; made by a runtime.

    Args:
        block: what is computed.
        fingerprint: 16 hex digits over the model, the layers, the part and the weights in place.
        compute: computes one frame.
        choice: the way that `compute` takes.
    """

    def __init__(self, block: Block, fingerprint: str, compute: Compute, choice: Choice) -> None:
        self.block = block
        self.fingerprint = fingerprint
        self.choice = choice
        self.input_bytes = {name: block.input_bytes(name) for name in block.inputs}
        self._shapes = tuple(block.shape(name) for name in block.inputs)
        self._dtypes = tuple(np.dtype(block.graph.dtype(name)) for name in block.inputs)
        self._compute = compute

    def __call__(self, *inputs: Array) -> tuple[Floats, ...]:
        """Compute one frame; for one thread at a time.

        Args:
            inputs: one array per tensor of `block.inputs`, in that order, without batch axis.

        Returns:
            One float32 array per tensor of `block.outputs`, without batch axis, in memory of its own.

        Raises:
            ValueError: the number of arrays, a shape or an element type is not that of the tensors.
        """
        for array, shape, dtype in zip(inputs, self._shapes, self._dtypes, strict=True):
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"expected {dtype} {shape}, not {array.dtype} {array.shape}")
        return self._compute(inputs)


def sample_inputs(block: Block) -> tuple[Array, ...]:
    """Inputs like those of a frame, the same in every process: any pixels, and what a ReLU leaves of noise."""
    random = np.random.default_rng(0)
    arrays: list[Any] = []
    for name in block.inputs:
        shape = block.shape(name)
        if block.graph.dtype(name) == "uint8":
            arrays.append(random.integers(0, 256, shape, np.uint8))
        else:
            arrays.append(np.maximum(random.standard_normal(shape, np.float32), 0))
    return tuple(arrays)
