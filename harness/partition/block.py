"""A block: the piece of a model that one device computes."""

from dataclasses import dataclass

from harness.models.graph import FRAME, Dense, ModelGraph


@dataclass(frozen=True)
class Block:
    """Layers of a graph that run together, with the tensors that cross their border.

    Args:
        graph: the whole model.
        layers: consecutive layers computed here, in topological order.
        inputs: tensors that come from outside, in the order in which a join delivers them; each is whole,
            its parts already joined along the last axis.
        outputs: tensors that leave, each the output of one of `layers`.
        part: which slice of the output columns is computed here (model parallelism), counted from 0.
        parts: how many equal slices there are; 1 means that the layer is whole.

    Raises:
        ValueError: the description does not fit the graph.
    """

    graph: ModelGraph
    layers: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    part: int = 0
    parts: int = 1

    def __post_init__(self) -> None:
        self._check_layers()
        self._check_tensors()
        if self.parts < 1 or not 0 <= self.part < self.parts:
            raise ValueError(f"part {self.part} of {self.parts} does not exist")
        if self.parts > 1:
            self._check_split()

    @property
    def parameters(self) -> int:
        """Number of weights (float32) that this block holds."""
        return sum(self.graph.parameters(name) for name in self.layers) // self.parts

    @property
    def macs(self) -> int:
        """Multiply-accumulates of this block for one frame."""
        return sum(self.graph.macs(name) for name in self.layers) // self.parts

    def output_bytes(self, name: str) -> int:
        """Size in bytes of what this block sends of an output tensor (its own part only)."""
        return self.graph.output_bytes(name) // self.parts

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

    def _check_split(self) -> None:
        layer = self.graph.layer(self.layers[0])
        if len(self.layers) != 1 or not isinstance(layer, Dense):
            raise ValueError("only a block of one dense layer can be split into parts")
        if layer.activation == "softmax":
            raise ValueError(f"layer {layer.name} cannot be split: softmax needs every column")
        if layer.units % self.parts:
            raise ValueError(f"the {layer.units} columns of {layer.name} do not divide by {self.parts}")


def whole_model(graph: ModelGraph) -> Block:
    """The block of a single device: every layer, from the frame to the output."""
    return Block(
        graph=graph,
        layers=tuple(layer.name for layer in graph.layers),
        inputs=(FRAME,),
        outputs=(graph.output,),
    )
