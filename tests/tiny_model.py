"""A model of every kind of layer, small enough to be written out with numpy alone."""

import numpy as np

from harness.models.graph import FRAME, Conv2D, Dense, Flatten, MaxPool2D, ModelGraph, Rescale
from harness.models.weights import SeededWeights


def tiny(stride: int) -> ModelGraph:
    """Every kind of layer, small enough for plain loops."""
    return ModelGraph(
        "tiny",
        "Tiny",
        (9, 8, 2),
        (
            Rescale("rescale", (FRAME,), scale=1 / 255),
            Conv2D("conv", ("rescale",), 3, (3, 4), (stride, stride)),
            MaxPool2D("pool", ("conv",)),
            Flatten("flatten", ("pool",)),
            Dense("fc", ("flatten",), 6),
            Dense("out", ("fc",), 5, "softmax"),
        ),
    )


def by_hand(graph: ModelGraph, source: SeededWeights, frame: np.ndarray) -> np.ndarray:
    """`tiny` in float64 with nothing but numpy."""
    weights = {layer.name: source.layer(graph, layer.name) for layer in graph.layers}
    conv = graph.layer("conv")
    assert isinstance(conv, Conv2D)
    image = frame / 255
    out_height, out_width, _ = graph.shape("conv")
    pads = []
    for size, out, kernel, stride in zip(
        image.shape, (out_height, out_width), conv.kernel_size, conv.strides, strict=False
    ):
        total = max((out - 1) * stride + kernel - size, 0)
        pads.append((total // 2, total - total // 2))
    padded = np.pad(image, [*pads, (0, 0)])
    kernel = weights["conv"]["kernel"].astype(np.float64)
    feature = np.zeros(graph.shape("conv"))
    for row in range(out_height):
        for column in range(out_width):
            top, left = row * conv.strides[0], column * conv.strides[1]
            window = padded[top : top + kernel.shape[0], left : left + kernel.shape[1]]
            feature[row, column] = np.maximum(np.tensordot(window, kernel, axes=3), 0)
    height, width, channels = graph.shape("pool")
    pooled = feature[: height * 2, : width * 2].reshape(height, 2, width, 2, channels).max(axis=(1, 3))
    hidden = np.maximum(pooled.ravel() @ weights["fc"]["kernel"], 0)
    logits = hidden @ weights["out"]["kernel"]
    return np.exp(logits) / np.exp(logits).sum()
