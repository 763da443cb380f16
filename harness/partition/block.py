"""A block: the piece of a model that one device computes."""

import math
from dataclasses import dataclass
from functools import cached_property

from harness.models.graph import FRAME, Layer, ModelGraph, Shape
from harness.models.split import Split, weight_slices
from harness.partition.split import Box, Pads, Piece, piece_of, require_split


@dataclass(frozen=True)
class Block:
    """Layers of a graph that run together, with the tensors that cross their border.

    Args:
        graph: the whole model.
        layers: consecutive layers computed here, in topological order.
        inputs: tensors that come from outside, in the order in which a join delivers them; each is joined from its
            parts already, and cut to what this part reads.
        outputs: tensors that leave, each the output of one of `layers`.
        part: which part of the work is done here (model parallelism), counted from 0.
        parts: how many parts there are; 1 means that the layers are whole.
        split: along which axis parts differ; says nothing about a block of one part.

    Raises:
        ValueError: the description does not fit the graph.
    """

    graph: ModelGraph
    layers: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    part: int = 0
    parts: int = 1
    split: Split = Split.COLUMNS

    def __post_init__(self) -> None:
        self._check_layers()
        self._check_tensors()
        if self.parts < 1 or not 0 <= self.part < self.parts:
            raise ValueError(f"part {self.part} of {self.parts} does not exist")
        if self.parts > 1:
            require_split(self.graph, self.layers, self.outputs, self.parts, self.split)

    @cached_property
    def _piece(self) -> Piece:
        return piece_of(self.graph, self.layers, self.inputs, self.outputs, self.part, self.parts, self.split)

    def layer(self, name: str) -> Layer:
        """A layer as it is computed here: with this part's filters or columns, and without what is for the join."""
        return self._piece.layers[name]

    def shape(self, name: str) -> Shape:
        """Shape of this part's array of an input, an output or a tensor between them, without batch axis."""
        return self._piece.shapes[name]

    def pads(self, name: str) -> Pads:
        """Zeros that a convolution of this block puts around what it reads."""
        return self._piece.pads[name]

    def box(self, name: str) -> Box:
        """Which of an input tensor this part reads, which of an output tensor it makes."""
        return self._piece.boxes[name]

    @property
    def holds_bias(self) -> bool:
        """Whether this part adds the bias; of summands one alone does."""
        return self.parts == 1 or self.split is not Split.INPUT_CHANNELS or self.part == 0

    @property
    def parameters(self) -> int:
        """Number of weights (float32) that this block holds."""
        return sum(self.layer_parameters(name) for name in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of this block for one frame, those in rows that a neighbour computes too included."""
        return sum(self.layer_macs(name) for name in self.layers)

    def output_bytes(self, name: str) -> int:
        """Size in bytes of what this block makes of an output tensor (its own part only)."""
        return self._bytes(name)

    def input_bytes(self, name: str) -> int:
        """Size in bytes of what this block reads of an input tensor."""
        return self._bytes(name)

    def layer_macs(self, name: str) -> int:
        """Those of one layer: of what the whole does, this part's outputs, and for each what it reads of channels."""
        (read,) = self.graph.layer(name).inputs
        whole, own = ((shape(name), shape(read)[-1]) for shape in (self.graph.shape, self.shape))
        return self.graph.macs(name) * math.prod(own[0]) * own[1] // (math.prod(whole[0]) * whole[1])

    def layer_parameters(self, name: str) -> int:
        """Weights of one layer that this block holds."""
        shapes = self.graph.parameter_shapes(name)
        held = weight_slices(shapes, self.part, self.parts, self.split)
        return sum(
            math.prod(len(range(*one.indices(size))) for one, size in zip(slices, shapes[key], strict=True))
            for key, slices in held.items()
        )

    def _bytes(self, name: str) -> int:
        return self.graph.output_bytes(name) // math.prod(self.graph.shape(name)) * math.prod(self.shape(name))

    def _check_layers(self) -> None:
        order = [layer.name for layer in self.graph.layers]
        unknown = [name for name in self.layers if name not in order]
        if unknown:
            raise ValueError(f"model {self.graph.name} has no layer {unknown[0]}")
        if not self.layers:
            raise ValueError("a block needs at least one layer")
        positions = [order.index(name) for name in self.layers]
        if positions != sorted(set(positions)):
            raise ValueError(f"the layers {', '.join(self.layers)} are not in topological order")

    def _check_tensors(self) -> None:
        if len(set(self.inputs)) != len(self.inputs) or len(set(self.outputs)) != len(self.outputs):
            raise ValueError("an input or output tensor is named twice")
        inside = set(self.layers)
        needed = {tensor for name in self.layers for tensor in self.graph.layer(name).inputs} - inside
        if needed != set(self.inputs):
            raise ValueError(f"the layers read {sorted(needed)} from outside, not {sorted(self.inputs)}")
        if not self.outputs or not set(self.outputs) <= inside:
            raise ValueError(f"the outputs {self.outputs} are not made by the layers of this block")


def whole_model(graph: ModelGraph) -> Block:
    """The block of a single device: every layer, from the frame to the output."""
    return Block(
        graph=graph,
        layers=tuple(layer.name for layer in graph.layers),
        inputs=(FRAME,),
        outputs=(graph.output,),
    )
