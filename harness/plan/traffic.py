"""What travels between two neighbouring stages, whichever way each is split: the bytes and messages of a frame (pure).

Counted from the same boxes of a tensor as the messages of a partition, so that a plan's bytes are those of its farm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.models.graph import FRAME, Conv2D, ModelGraph, Shape
from harness.models.split import Split, part_span
from harness.partition.block import Block
from harness.partition.message import meeting
from harness.partition.split import Box, made_shape, own_box
from harness.plan.way import Reading, Way


@dataclass(frozen=True)
class Traffic:
    """What one frame sends from stage to stage.

    Attributes:
        messages_sent: by the sender with the most of them.
        bytes_sent: by the sender with the most of them.
        messages_taken: by the receiver with the most of them.
        bytes_taken: by the receiver with the most of them.
        messages: of all senders together.
        total_bytes: of all messages together.
    """

    messages_sent: int
    bytes_sent: int
    messages_taken: int
    bytes_taken: int
    messages: int
    total_bytes: int


def part_blocks(graph: ModelGraph, begin: int, end: int, way: Way) -> tuple[Block, ...]:
    """The parts of a stage."""
    names = tuple(layer.name for layer in graph.layers)
    layers = names[begin:end]
    inputs = tuple(
        dict.fromkeys(tensor for name in layers for tensor in graph.layer(name).inputs if tensor not in layers)
    )
    return tuple(
        Block(graph, layers, inputs, (layers[-1],), part=part, parts=way.parts, split=way.split)
        for part in range(way.parts)
    )


def part_features(block: Block) -> dict[str, dict[str, float]]:
    """Layer -> what its time depends on, of one part alone (as `harness.profile.fit.features_of`)."""
    return {
        name: {
            "one": 1.0,
            "macs": float(block.layer_macs(name)),
            "parameters": float(block.layer_parameters(name)),
            "input_bytes": float(sum(block.input_bytes(tensor) for tensor in block.graph.layer(name).inputs)),
            "output_bytes": float(block.output_bytes(name)),
        }
        for name in block.layers
    }


class Crossings:
    """Traffic at every place of a model, counted once.

    Args:
        graph: the model.
    """

    def __init__(self, graph: ModelGraph) -> None:
        self._graph = graph
        self._read: dict[tuple[int, Reading], tuple[Box, ...]] = {}
        self._found: dict[tuple[int, Way, Reading], Traffic] = {}

    def at(self, begin: int, before: Way, reading: Reading) -> Traffic:
        """What crosses before a layer; arguments are those of `traffic`."""
        key = (begin, before, reading)
        if key not in self._found:
            self._found[key] = traffic(self._graph, begin, before, reading, self._boxes_read(begin, reading))
        return self._found[key]

    def _boxes_read(self, begin: int, reading: Reading) -> tuple[Box, ...]:
        """Which of its input each part of a stage reads, where they differ."""
        if not reading.way.cuts_inputs:
            return ()
        key = (begin, reading)
        if key not in self._read:
            # Parts by input channels end with their convolution, before which a rescaling may stand.
            layers = self._graph.layers
            end = reading.end or next(n for n in range(begin, len(layers)) if isinstance(layers[n], Conv2D)) + 1
            blocks = part_blocks(self._graph, begin, end, reading.way)
            self._read[key] = tuple(block.box(block.inputs[0]) for block in blocks)
        return self._read[key]


def traffic(graph: ModelGraph, begin: int, before: Way, reading: Reading, read: Sequence[Box]) -> Traffic:
    """What crosses before a layer.

    Args:
        graph: the model.
        begin: number of the layer; that of layers together for the result, which the initial takes.
        before: how the stage that ends there is split; the whole for the initial.
        reading: how the stage that begins there takes its input.
        read: for each part which of the tensor it reads, where each reads something of its own.
    """
    tensor = graph.layers[begin - 1].name if begin else FRAME
    shape = made_shape(graph, tensor, before.parts, before.split) if begin else graph.shape(FRAME)
    item = graph.output_bytes(tensor) // math.prod(shape)
    made = _made(shape, before)
    if not reading.way.cuts_inputs:
        sizes, copies = [_size(box) * item for box in made], reading.way.parts
        return Traffic(
            messages_sent=copies,
            bytes_sent=max(sizes) * copies,
            messages_taken=len(made),
            bytes_taken=sum(sizes),
            messages=len(made) * copies,
            total_bytes=sum(sizes) * copies,
        )
    found = [[_size(meeting(one, other)) * item for other in read] for one in made]
    sent, taken = found, list(zip(*found, strict=True))
    return Traffic(
        messages_sent=max(_count(row) for row in sent),
        bytes_sent=max(sum(row) for row in sent),
        messages_taken=max(_count(column) for column in taken),
        bytes_taken=max(sum(column) for column in taken),
        messages=sum(_count(row) for row in sent),
        total_bytes=sum(sum(row) for row in sent),
    )


def _made(shape: Shape, way: Way) -> list[Box]:
    """What each part makes of a tensor; a summand is as large as the whole."""
    whole = own_box(shape)
    if way.parts == 1:
        return [whole]
    if way.split is Split.INPUT_CHANNELS:
        return [whole] * way.parts
    axis = 0 if way.split is Split.ROWS else len(shape) - 1
    spans = [part_span(shape[axis], part, way.parts) for part in range(way.parts)]
    return [(*whole[:axis], span, *whole[axis + 1 :]) for span in spans]


def _size(box: Box | None) -> int:
    return 0 if box is None else math.prod(axis.stop - axis.start for axis in box)


def _count(sizes: Sequence[int]) -> int:
    return sum(size > 0 for size in sizes)
