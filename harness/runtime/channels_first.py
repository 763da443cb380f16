"""A block written out for runtimes that want pictures channels first: ONNX Runtime and OpenVINO (no runtime here).

Tensors between blocks are channels last, as Keras has them. Inside a block a picture is turned round where the first
convolution or pool needs it, and back where something else reads it or it leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from harness.models.graph import Conv2D, Dense, Flatten, MaxPool2D, Rescale
from harness.models.weights import Floats, WeightSource, block_fingerprint
from harness.partition.block import Block
from harness.partition.split import Pads

T = TypeVar("T")


class Builder(Protocol[T]):
    """Makes the operations of one runtime; every tensor has a batch axis of one in front."""

    def rescale(self, tensor: T, scale: float) -> T:
        """`tensor * scale` as float32."""

    def transpose(self, tensor: T, order: Sequence[int]) -> T:
        """The axes in another order."""

    def convolution(self, tensor: T, kernel: Floats, bias: Floats, strides: tuple[int, int], pads: Pads) -> T:
        """Of a picture (1, channels, height, width): kernel (filters, channels, height, width), bias (filters,)."""

    def pool(self, tensor: T, size: tuple[int, int]) -> T:
        """Maximum over windows that do not overlap, of a picture (1, channels, height, width)."""

    def flatten(self, tensor: T, features: int) -> T:
        """The same elements as (1, features)."""

    def dense(self, tensor: T, kernel: Floats, bias: Floats) -> T:
        """(1, features) times kernel (features, units), plus bias (units,)."""

    def activation(self, tensor: T, name: str) -> T:
        """`relu`, or `softmax` along the last axis."""


class _Tensors(Generic[T]):
    """Every tensor in the order of axes that it is asked for, turned round once at most."""

    def __init__(self, builder: Builder[T]) -> None:
        self._builder = builder
        self._last: dict[str, T] = {}
        self._first: dict[str, T] = {}

    def put(self, name: str, tensor: T, *, first: bool = False) -> None:
        (self._first if first else self._last)[name] = tensor

    def last(self, name: str) -> T:
        if name not in self._last:
            self._last[name] = self._builder.transpose(self._first[name], (0, 2, 3, 1))
        return self._last[name]

    def first(self, name: str) -> T:
        if name not in self._first:
            self._first[name] = self._builder.transpose(self._last[name], (0, 3, 1, 2))
        return self._first[name]


def draw_weights(block: Block, weights: WeightSource) -> tuple[dict[str, dict[str, Floats]], str]:
    """All weights of a block by layer, and the block's fingerprint over them."""
    arrays = {name: weights.layer(block.graph, name, block.part, block.parts, block.split) for name in block.layers}
    named = ((f"{layer}/{parameter}", array) for layer, own in arrays.items() for parameter, array in own.items())
    return arrays, block_fingerprint(block.graph, block.layers, block.part, block.parts, named, block.split)


def assemble(
    block: Block, inputs: Mapping[str, T], arrays: dict[str, dict[str, Floats]], builder: Builder[T]
) -> list[T]:
    """Write a block out.

    Args:
        block: the layers and the part to compute.
        inputs: tensor name -> its handle, channels last, with batch axis.
        arrays: layer -> its weights; each is taken out when its layer is made, so that it need not be kept twice.
        builder: makes the operations.

    Returns:
        Handles of the tensors of `block.outputs`, channels last.
    """
    tensors = _Tensors(builder)
    for name, tensor in inputs.items():
        tensors.put(name, tensor)
    for name in block.layers:
        layer = block.layer(name)
        (source,) = layer.inputs
        own = arrays.pop(name)
        match layer:
            case Rescale():
                tensors.put(name, builder.rescale(tensors.last(source), layer.scale))
            case Conv2D():
                kernel = np.ascontiguousarray(own.pop("kernel").transpose(3, 2, 0, 1))
                bias = own.pop("bias", np.zeros(layer.filters, np.float32))
                made = builder.convolution(tensors.first(source), kernel, bias, layer.strides, block.pads(name))
                # Channels are no longer last here, so that a softmax over them would need its own axis.
                assert layer.activation != "softmax", "no model has a softmax over pictures"
                tensors.put(name, _activated(builder, made, layer.activation), first=True)
            case MaxPool2D():
                tensors.put(name, builder.pool(tensors.first(source), layer.pool_size), first=True)
            case Flatten():
                tensors.put(name, builder.flatten(tensors.last(source), *block.shape(name)))
            case Dense():
                made = builder.dense(tensors.last(source), own.pop("kernel"), own.pop("bias"))
                tensors.put(name, _activated(builder, made, layer.activation))
    return [tensors.last(name) for name in block.outputs]


def _activated(builder: Builder[T], tensor: T, name: str) -> T:
    return tensor if name == "linear" else builder.activation(tensor, name)
