"""Blocks written out with NumPy in float64, for tests of how they are cut: no framework, no hidden padding."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from harness.models.graph import Conv2D, Dense, Flatten, MaxPool2D, Rescale
from harness.models.split import Split, weight_slices


class WholeNumbers:
    """Weights of which no sum is ever rounded, in whatever order it is added up: equality is then to the last bit.

    Eight taps of 1 or -1 make an output at most eight times as large as what they read: with five layers behind bytes
    everything stays below 2^24, where float32 ends to hold every whole number.
    """

    def layer(self, graph, name, part=0, parts=1, split=Split.COLUMNS):
        """See `WeightSource.layer`."""
        shapes = graph.parameter_shapes(name)
        if not shapes:
            return {}
        rng = np.random.default_rng(len(graph.layers) + sum(name.encode()))
        kernel = np.zeros((math.prod(shapes["kernel"][:-1]), shapes["kernel"][-1]), np.float32)
        taps = min(8, len(kernel))
        for column in range(kernel.shape[1]):
            kernel[rng.choice(len(kernel), taps, replace=False), column] = rng.choice([-1, 1], taps)
        whole = {"kernel": kernel.reshape(shapes["kernel"]), "bias": rng.integers(1, 4, shapes["bias"])}
        return {
            parameter: np.ascontiguousarray(whole[parameter][slices], np.float32)
            for parameter, slices in weight_slices(shapes, part, parts, split).items()
        }


def numpy_block(block, source):
    """A function from the arrays that a part reads to those that it makes, float32."""
    weights = {name: source.layer(block.graph, name, block.part, block.parts, block.split) for name in block.layers}

    def compute(*inputs):
        tensors = {name: np.asarray(array, np.float64) for name, array in zip(block.inputs, inputs, strict=True)}
        assert [tensors[name].shape for name in block.inputs] == [block.shape(name) for name in block.inputs]
        for name in block.layers:
            layer = block.layer(name)
            made = numpy_layer(block, layer, tensors[layer.inputs[0]], weights[name])
            assert made.shape == block.shape(name), (name, made.shape, block.shape(name))
            tensors[name] = made
        return tuple(tensors[name].astype(np.float32) for name in block.outputs)

    return compute


def numpy_layer(block, layer, array, weights):
    """One layer of a block."""
    match layer:
        case Rescale():
            return array * layer.scale
        case Conv2D():
            padded = np.pad(array, [*block.pads(layer.name), (0, 0)])
            windows = sliding_window_view(padded, layer.kernel_size, axis=(0, 1))
            windows = windows[:: layer.strides[0], :: layer.strides[1]]
            made = np.einsum("yxchw,hwcf->yxf", windows, weights["kernel"].astype(np.float64))
            return activated(made + weights.get("bias", 0.0), layer.activation)
        case MaxPool2D():
            (rows, columns), (height, width, channels) = layer.pool_size, array.shape
            kept = array[: height // rows * rows, : width // columns * columns]
            return kept.reshape(height // rows, rows, width // columns, columns, channels).max(axis=(1, 3))
        case Flatten():
            return array.reshape(-1)
        case Dense():
            return activated(array @ weights["kernel"].astype(np.float64) + weights["bias"], layer.activation)


def activated(array, name):
    """relu, softmax along the last axis, or nothing."""
    if name == "softmax":
        powers = np.exp(array - array.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
    return np.maximum(array, 0) if name == "relu" else array
