"""Layer graphs: what a network computes, layer by layer, without any framework.

A graph is plain data. Shapes, parameters, multiply-accumulates (MACs) and bytes on every edge follow from it,
so a partition can be planned and inspected on a device that has no TensorFlow. Tensors are named after the
layer that produces them; the input of the graph is the tensor `FRAME`.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

FRAME = "frame"
"""Name of the tensor that enters a graph."""

Shape = tuple[int, ...]
Activation = Literal["linear", "relu", "softmax"]
DType = Literal["uint8", "float32"]

_ITEM_BYTES: dict[DType, int] = {"uint8": 1, "float32": 4}


@dataclass(frozen=True)
class Rescale:
    """Element-wise `x * scale` as float32: the declared pre-processing of a frame."""

    name: str
    inputs: tuple[str, ...]
    scale: float

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """Shape without batch axis: unchanged."""
        return _only(self.name, inputs)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Nothing to learn."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Element-wise work is not counted, as is the custom of the field."""
        del inputs
        return 0


@dataclass(frozen=True)
class Conv2D:
    """2-D convolution, channels last, padding 'same', with bias.

    Args:
        name: name of the layer and of its output.
        inputs: one tensor (height, width, channels).
        filters: output channels.
        kernel_size: (height, width) of the window.
        strides: steps along (height, width).
        activation: applied to the sum.
    """

    name: str
    inputs: tuple[str, ...]
    filters: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    activation: Activation = "relu"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(ceil(height / stride), ceil(width / stride), filters)."""
        height, width, _ = _image(self.name, inputs)
        return (math.ceil(height / self.strides[0]), math.ceil(width / self.strides[1]), self.filters)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Kernel (height, width, channels in, filters) and bias (filters,)."""
        channels = _image(self.name, inputs)[2]
        return {"kernel": (*self.kernel_size, channels, self.filters), "bias": (self.filters,)}

    def macs(self, inputs: Sequence[Shape]) -> int:
        """One window of multiplications per output element."""
        window = math.prod(self.kernel_size) * _image(self.name, inputs)[2]
        return math.prod(self.output_shape(inputs)) * window


@dataclass(frozen=True)
class MaxPool2D:
    """Maximum over windows that do not overlap, padding 'valid'."""

    name: str
    inputs: tuple[str, ...]
    pool_size: tuple[int, int] = (2, 2)

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(height // pool, width // pool, channels)."""
        height, width, channels = _image(self.name, inputs)
        return (height // self.pool_size[0], width // self.pool_size[1], channels)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Nothing to learn."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Comparisons are not multiply-accumulates."""
        del inputs
        return 0


@dataclass(frozen=True)
class Flatten:
    """The same elements in row-major order along one axis."""

    name: str
    inputs: tuple[str, ...]

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(number of elements,)."""
        return (math.prod(_only(self.name, inputs)),)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Nothing to learn."""
        del inputs
        return {}

    def macs(self, inputs: Sequence[Shape]) -> int:
        """A view costs nothing."""
        del inputs
        return 0


@dataclass(frozen=True)
class Dense:
    """Fully connected layer with bias."""

    name: str
    inputs: tuple[str, ...]
    units: int
    activation: Activation = "relu"

    def output_shape(self, inputs: Sequence[Shape]) -> Shape:
        """(units,)."""
        _vector(self.name, inputs)
        return (self.units,)

    def parameter_shapes(self, inputs: Sequence[Shape]) -> dict[str, Shape]:
        """Kernel (features in, units) and bias (units,)."""
        return {"kernel": (_vector(self.name, inputs)[0], self.units), "bias": (self.units,)}

    def macs(self, inputs: Sequence[Shape]) -> int:
        """Features in times units."""
        return _vector(self.name, inputs)[0] * self.units


Layer = Rescale | Conv2D | MaxPool2D | Flatten | Dense


@dataclass(frozen=True)
class ModelGraph:
    """A directed acyclic graph of layers in topological order, checked when it is made.

    Args:
        name: the short name that users type.
        title: the name that people read; no part of the digest.
        input_shape: shape of one frame, without batch axis.
        layers: every layer after the layers that it reads; the last one is the output.
        input_dtype: what a frame consists of.

    Raises:
        ValueError: a name is used twice, a layer reads what no earlier layer makes, or shapes do not fit.
    """

    name: str
    title: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    input_dtype: DType = "uint8"
    _by_name: dict[str, Layer] = field(init=False, repr=False, compare=False)
    _shapes: dict[str, Shape] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError(f"model {self.name} has no layers")
        by_name: dict[str, Layer] = {}
        shapes: dict[str, Shape] = {FRAME: self.input_shape}
        for layer in self.layers:
            if layer.name in shapes:
                raise ValueError(f"model {self.name}: the name {layer.name} is used twice")
            missing = [tensor for tensor in layer.inputs if tensor not in shapes]
            if missing:
                raise ValueError(
                    f"model {self.name}: layer {layer.name} reads {missing[0]}, which no earlier layer makes"
                )
            shape = layer.output_shape([shapes[tensor] for tensor in layer.inputs])
            if min(shape, default=0) < 1:
                raise ValueError(f"model {self.name}: layer {layer.name} has the empty shape {shape}")
            by_name[layer.name] = layer
            shapes[layer.name] = shape
        object.__setattr__(self, "_by_name", by_name)
        object.__setattr__(self, "_shapes", shapes)

    @property
    def output(self) -> str:
        """Name of the last layer, which is the tensor that leaves."""
        return self.layers[-1].name

    def layer(self, name: str) -> Layer:
        """The layer of that name; KeyError if there is none."""
        return self._by_name[name]

    def shape(self, name: str) -> Shape:
        """Shape of a tensor (a layer's output or `FRAME`), without batch axis."""
        return self._shapes[name]

    def dtype(self, name: str) -> DType:
        """Element type of a tensor: frames come as they are, layers give float32."""
        if name == FRAME:
            return self.input_dtype
        self.layer(name)
        return "float32"

    def output_bytes(self, name: str) -> int:
        """Size in bytes of one tensor as raw elements."""
        return math.prod(self.shape(name)) * _ITEM_BYTES[self.dtype(name)]

    def parameter_shapes(self, name: str) -> dict[str, Shape]:
        """Shapes of a layer's weights by their Keras names, `kernel` before `bias`; empty if it has none."""
        layer = self.layer(name)
        return layer.parameter_shapes([self.shape(tensor) for tensor in layer.inputs])

    def parameters(self, name: str) -> int:
        """Number of a layer's weights (float32 each)."""
        return sum(math.prod(shape) for shape in self.parameter_shapes(name).values())

    def macs(self, name: str) -> int:
        """Multiply-accumulates of one layer for one frame."""
        layer = self.layer(name)
        return layer.macs([self.shape(tensor) for tensor in layer.inputs])

    def consumers(self, name: str) -> tuple[str, ...]:
        """Layers that read a tensor, in topological order."""
        self.shape(name)
        return tuple(layer.name for layer in self.layers if name in layer.inputs)

    def digest(self) -> str:
        """SHA-256 (hex) of the definition as canonical JSON; the title may change without changing it."""
        definition = {
            "name": self.name,
            "input_shape": self.input_shape,
            "input_dtype": self.input_dtype,
            "layers": [{"kind": type(layer).__name__, **asdict(layer)} for layer in self.layers],
        }
        canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def _only(name: str, inputs: Sequence[Shape]) -> Shape:
    if len(inputs) != 1:
        raise ValueError(f"layer {name} takes one input, not {len(inputs)}")
    return inputs[0]


def _image(name: str, inputs: Sequence[Shape]) -> tuple[int, int, int]:
    match _only(name, inputs):
        case (height, width, channels):
            return height, width, channels
        case shape:
            raise ValueError(f"layer {name} takes (height, width, channels), not {shape}")


def _vector(name: str, inputs: Sequence[Shape]) -> tuple[int]:
    match _only(name, inputs):
        case (features,):
            return (features,)
        case shape:
            raise ValueError(f"layer {name} takes one axis, not {shape}; flatten it first")
