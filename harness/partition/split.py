"""What one part of a split block reads, makes and pads with zeros: exact index arithmetic (pure).

A part by rows computes some rows of the last picture. Which rows it needs of every picture before follows backwards
through the layers: a window of `kernel` rows that moves by `stride` reaches into rows that a neighbour computes as
well, the halo. Where the padding 'same' puts zeros above or below the whole picture, the parts at its border put them
there, and the others read real rows. So each output is made of the same numbers as in the unsplit layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.models.graph import Conv2D, Dense, Flatten, Layer, MaxPool2D, ModelGraph, Rescale, Shape
from harness.models.split import Split, part_span

__all__ = ["Box", "Pads", "Piece", "Split", "made_shape", "own_box", "piece_of", "require_split", "same_pads"]

Box = tuple[slice, ...]
"""Which of a tensor, along each axis; every slice has a begin and an end."""
Pads = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and behind, along height and width."""

_PICTURE = 3


@dataclass(frozen=True)
class Piece:
    """What a part computes.

    Attributes:
        shapes: every tensor that it reads or makes -> the shape of its own array.
        pads: convolution -> zeros that it puts around what it reads.
        layers: layer as it is computed here: with fewer filters, or without its activation.
        boxes: input tensor -> which of it this part reads; output tensor -> which of it this part makes. A tensor that
            a split block flattens is counted as the picture that it was: see `made_shape`.
    """

    shapes: dict[str, Shape]
    pads: dict[str, Pads]
    layers: dict[str, Layer]
    boxes: dict[str, Box]


def same_pads(shape: Shape, layer: Conv2D) -> Pads:
    """Zeros that the padding 'same' puts around a picture (height, width, channels): the odd one stands behind."""
    assert len(shape) == _PICTURE
    found = []
    for size, kernel, stride in zip(shape[:2], layer.kernel_size, layer.strides, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        found.append((total // 2, total - total // 2))
    return found[0], found[1]


def own_box(shape: Shape) -> Box:
    """All of a tensor."""
    return tuple(slice(0, size) for size in shape)


def made_shape(graph: ModelGraph, tensor: str, parts: int, split: Split) -> Shape:
    """The shape in which parts of a tensor are put together; a picture where a split block flattens it."""
    layer = graph.layer(tensor)
    if parts > 1 and split is not Split.COLUMNS and isinstance(layer, Flatten):
        return graph.shape(layer.inputs[0])
    return graph.shape(tensor)


def require_split(graph: ModelGraph, layers: Sequence[str], outputs: Sequence[str], parts: int, split: Split) -> None:
    """See that a block can be cut so.

    Raises:
        ValueError: it cannot; the message says what can.
    """
    found = [graph.layer(name) for name in layers]
    if split is Split.COLUMNS:
        _require_columns(found, parts)
        return
    chain = all(len(layer.inputs) == 1 for layer in found) and all(
        layer.inputs == (before,) for before, layer in zip(layers[:-1], found[1:], strict=True)
    )
    if not chain or tuple(outputs) != (layers[-1],):
        raise ValueError(f"a block is split by {split} where each layer feeds the next one alone")
    _require_kinds(found, split)
    if split is Split.ROWS:
        axis, size = "rows", made_shape(graph, layers[-1], parts, split)[0]
    else:
        (convolution,) = (layer for layer in found if isinstance(layer, Conv2D))
        if convolution.activation == "softmax":
            raise ValueError(f"layer {convolution.name} cannot be split by {split}: softmax needs every channel")
        outside = split is Split.OUTPUT_CHANNELS
        axis, size = (
            ("filters", convolution.filters) if outside else ("channels", graph.shape(convolution.inputs[0])[2])
        )
    if parts > size:
        raise ValueError(f"the {size} {axis} of {layers[-1]} are too few for {parts} parts")


def _require_columns(found: Sequence[Layer], parts: int) -> None:
    layer = found[0]
    if len(found) != 1 or not isinstance(layer, Dense):
        raise ValueError("only a block of one dense layer can be split into parts by columns")
    if layer.activation == "softmax":
        raise ValueError(f"layer {layer.name} cannot be split: softmax needs every column")
    if layer.units % parts:
        raise ValueError(f"the {layer.units} columns of {layer.name} do not divide by {parts}")


def _require_kinds(found: Sequence[Layer], split: Split) -> None:
    kinds = [type(layer) for layer in found]
    body = kinds[:-1] if kinds[-1] is Flatten else kinds
    if split is Split.ROWS:
        if not body or not set(body) <= {Rescale, Conv2D, MaxPool2D}:
            raise ValueError("only convolutions, pools, and a rescaling, flattened at the end or not, split by rows")
        return
    while body and body[0] is Rescale:
        body = body[1:]
    if split is Split.OUTPUT_CHANNELS and (body[:1] != [Conv2D] or not set(body[1:]) <= {MaxPool2D}):
        raise ValueError("only one convolution, with pools behind it, splits by output channels")
    if split is Split.INPUT_CHANNELS and (body != [Conv2D] or kinds[-1] is Flatten):
        # A pool or the activation needs the sum of all parts.
        raise ValueError("only one convolution, with nothing behind it, splits by input channels")


def piece_of(
    graph: ModelGraph,
    layers: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    part: int,
    parts: int,
    split: Split,
) -> Piece:
    """What a part of a block computes; the block passed `require_split`, or has one part."""
    piece = Piece(
        shapes={name: graph.shape(name) for name in (*inputs, *layers)},
        pads={},
        layers={name: graph.layer(name) for name in layers},
        boxes={name: own_box(made_shape(graph, name, parts, split)) for name in outputs}
        | {name: own_box(graph.shape(name)) for name in inputs},
    )
    for name, layer in piece.layers.items():
        if isinstance(layer, Conv2D):
            piece.pads[name] = same_pads(graph.shape(layer.inputs[0]), layer)
    if parts > 1:
        cut = {
            Split.COLUMNS: _cut_columns,
            Split.OUTPUT_CHANNELS: _cut_filters,
            Split.INPUT_CHANNELS: _cut_channels,
            Split.ROWS: _cut_rows,
        }[split]
        cut(graph, piece, list(layers), part, parts)
        for name, layer in piece.layers.items():
            if split is not Split.COLUMNS and isinstance(layer, Flatten):
                piece.shapes[name] = (math.prod(piece.shapes[layer.inputs[0]]),)
    return piece


def _cut_columns(graph: ModelGraph, piece: Piece, layers: list[str], part: int, parts: int) -> None:
    (name,) = layers
    layer = graph.layer(name)
    assert isinstance(layer, Dense)
    columns = part_span(layer.units, part, parts)
    piece.layers[name] = replace(layer, units=columns.stop - columns.start)
    piece.shapes[name] = (columns.stop - columns.start,)
    piece.boxes[name] = (columns,)


def _cut_filters(graph: ModelGraph, piece: Piece, layers: list[str], part: int, parts: int) -> None:
    (name,) = (layer for layer in layers if isinstance(graph.layer(layer), Conv2D))
    layer = piece.layers[name]
    assert isinstance(layer, Conv2D)
    filters = part_span(layer.filters, part, parts)
    count = filters.stop - filters.start
    piece.layers[name] = replace(layer, filters=count)
    for made in layers[layers.index(name) :]:
        piece.shapes[made] = (*graph.shape(made)[:2], count)
    piece.boxes[layers[-1]] = (*piece.boxes[layers[-1]][:2], filters)


def _cut_channels(graph: ModelGraph, piece: Piece, layers: list[str], part: int, parts: int) -> None:
    name = layers[-1]
    layer = piece.layers[name]
    assert isinstance(layer, Conv2D)
    # The activation is for whoever has all summands.
    piece.layers[name] = replace(layer, activation="linear")
    channels = part_span(graph.shape(layer.inputs[0])[2], part, parts)
    for read in (*graph.layer(layers[0]).inputs, *layers[:-1]):
        piece.shapes[read] = (*graph.shape(read)[:2], channels.stop - channels.start)
        if read in piece.boxes:
            piece.boxes[read] = (*piece.boxes[read][:2], channels)


def _cut_rows(graph: ModelGraph, piece: Piece, layers: list[str], part: int, parts: int) -> None:
    last = layers[-1]
    body = layers[:-1] if isinstance(graph.layer(last), Flatten) else layers
    rows = part_span(graph.shape(body[-1])[0], part, parts)
    piece.boxes[last] = (rows, *piece.boxes[last][1:])
    for name in reversed(body):
        layer = piece.layers[name]
        (source,) = layer.inputs
        piece.shapes[name] = (rows.stop - rows.start, *graph.shape(name)[1:])
        if isinstance(layer, Conv2D):
            rows, piece.pads[name] = _rows_read(graph.shape(source), layer, rows)
        elif isinstance(layer, MaxPool2D):
            rows = slice(rows.start * layer.pool_size[0], rows.stop * layer.pool_size[0])
    (source,) = graph.layer(layers[0]).inputs
    piece.shapes[source] = (rows.stop - rows.start, *graph.shape(source)[1:])
    piece.boxes[source] = (rows, *piece.boxes[source][1:])


def _rows_read(shape: Shape, layer: Conv2D, rows: slice) -> tuple[slice, Pads]:
    """Rows of a picture that a convolution reads for some rows of its output, and the zeros beyond the picture."""
    (above, _), aside = same_pads(shape, layer)
    begin = rows.start * layer.strides[0] - above
    end = (rows.stop - 1) * layer.strides[0] - above + layer.kernel_size[0]
    inside = slice(max(begin, 0), min(end, shape[0]))
    return inside, ((inside.start - begin, end - inside.stop), aside)
