"""A block of a model as a compiled Keras function with its weights in place.

`model.predict` costs tens of milliseconds for a batch of one, and calling the model a few; a `tf.function`
with a fixed signature costs next to nothing, so that is what a block is.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness.models.graph import Conv2D, Dense, Flatten, Layer, MaxPool2D, Rescale
from harness.models.memory import ALIGNMENT_BYTES
from harness.models.shared_weights import fingerprint_in_use
from harness.models.weights import Floats, WeightSource
from harness.partition.block import Block
from harness.partition.split import same_pads
from harness.records.computing import Choice
from harness.runtime.device import configured_device, import_keras, require_configured
from harness.runtime.direct_call import DirectCall
from harness.runtime.loaded_block import Array, Compute, LoadedBlock, sample_inputs

INPUT = "input_"
"""The inputs of a traced function are named so, with their number."""


def load_block(block: Block, weights: WeightSource) -> LoadedBlock:
    """Build a block, set its weights, compile it the plain way and run it once; every reference is computed so.

    Args:
        block: the layers and the part to compute.
        weights: where the weights come from; asked for one layer at a time.

    Returns:
        A block whose first call is as fast as the next.

    Raises:
        RuntimeError: `configure` was not called in this process.
    """
    function, _, fingerprint = build_function(block, weights)
    loaded = LoadedBlock(block, fingerprint, compute_with(block, function), Choice("function"))
    loaded(*sample_inputs(block))
    return loaded


def build_function(block: Block, weights: WeightSource) -> tuple[Any, Any, str]:
    """The compiled function of a block, the Keras model that holds its weights, and the fingerprint over those.

    The function takes batches of one and returns a flat list of batches of one.

    Raises:
        RuntimeError: `configure` was not called in this process.
    """
    tensorflow = require_configured()
    model = build_keras_model(block, weights)
    fingerprint = fingerprint_in_use(
        weights, block.graph, block.layers, block.part, block.parts, _weights_in(model), block.split
    )
    # One output comes back bare, several as a list: flatten makes it a list in both cases.
    function = trace(block, lambda *batches: tensorflow.nest.flatten(model(list(batches), training=False)))
    return function, model, fingerprint


def trace(block: Block, body: Callable[..., Any]) -> Any:
    """A concrete function of the block's inputs, in their order."""
    tensorflow = require_configured()
    signature = [
        tensorflow.TensorSpec((1, *block.shape(name)), block.graph.dtype(name), f"{INPUT}{number}")
        for number, name in enumerate(block.inputs)
    ]
    return tensorflow.function(body, input_signature=signature, autograph=False).get_concrete_function()


def compute_with(block: Block, function: Any) -> Compute:
    """How a concrete function is called for one frame."""
    tensorflow = require_configured()
    if configured_device() == "cpu":
        shapes = tuple(block.shape(name) for name in block.inputs)
        dtypes = tuple(np.dtype(block.graph.dtype(name)) for name in block.inputs)
        return DirectCall(tensorflow, function, shapes, dtypes)

    def ordinary(inputs: tuple[Array, ...]) -> tuple[Floats, ...]:
        # A GPU fetches its inputs itself; there the ordinary call is the one that is known to work.
        batches = [tensorflow.convert_to_tensor(array[np.newaxis]) for array in inputs]
        return tuple(result.numpy()[0] for result in function(*batches))

    return ordinary


def build_keras_model(block: Block, weights: WeightSource | None = None) -> Any:
    """A Keras Functional model of a block for batches of one; its layers keep their names.

    Args:
        block: what to build.
        weights: the weights to set; None leaves zeros, for a file to be loaded into.
    """
    keras = import_keras()
    graph = block.graph
    inputs = {
        name: keras.Input(batch_shape=(1, *block.shape(name)), dtype=graph.dtype(name), name=f"input_{name}")
        for name in block.inputs
    }
    tensors: dict[str, Any] = dict(inputs)
    for name in block.layers:
        layer = block.layer(name)
        arrays = weights.layer(graph, name, block.part, block.parts, block.split) if weights else {}
        own_pads = not pads_itself(block, name)
        keras_layer = _keras_layer(keras, layer, arrays, block.holds_bias, own_pads=own_pads)
        read = [tensors[tensor] for tensor in layer.inputs]
        if own_pads:
            read = [
                keras.layers.ZeroPadding2D(block.pads(name), data_format="channels_last", name=f"{name}_pads")(*read)
            ]
        tensors[name] = keras_layer(*read)
    return keras.Model(list(inputs.values()), [tensors[name] for name in block.outputs], name=graph.name)


def pads_itself(block: Block, name: str) -> bool:
    """Whether the padding 'same' puts the zeros around what a layer reads here; rows may need others."""
    layer = block.layer(name)
    return not isinstance(layer, Conv2D) or block.pads(name) == same_pads(block.shape(layer.inputs[0]), layer)


def _keras_layer(keras: Any, layer: Layer, arrays: dict[str, Floats], with_bias: bool, *, own_pads: bool) -> Any:
    """The Keras layer, which takes its weights out of `arrays` when it is built."""
    common = {"name": layer.name, "dtype": "float32"}
    start_values = {
        f"{parameter}_initializer": _start_value(arrays, parameter) if arrays else "zeros"
        for parameter in ("kernel", "bias")
    }
    match layer:
        case Rescale():
            return keras.layers.Rescaling(layer.scale, **common)
        case Conv2D():
            return keras.layers.Conv2D(
                layer.filters,
                layer.kernel_size,
                strides=layer.strides,
                padding="valid" if own_pads else "same",
                data_format="channels_last",
                activation=layer.activation,
                use_bias=with_bias,
                **start_values,
                **common,
            )
        case MaxPool2D():
            return keras.layers.MaxPooling2D(layer.pool_size, data_format="channels_last", **common)
        case Flatten():
            return keras.layers.Flatten(data_format="channels_last", **common)
        case Dense():
            return keras.layers.Dense(layer.units, activation=layer.activation, **start_values, **common)


def _start_value(arrays: dict[str, Floats], parameter: str) -> Callable[..., Any]:
    """An initializer that hands an array over to TensorFlow, without a copy where that is possible.

    Setting weights afterwards needs three times their memory for a moment, and half of VGG16's first dense
    layer is 205 MB; a Raspberry Pi 3 has 1 GB.
    """
    tensorflow = require_configured()

    def initializer(shape: tuple[int, ...], dtype: Any = None) -> Any:
        del shape, dtype  # Keras checks both against the variable
        array = arrays.pop(parameter)
        if array.ctypes.data % ALIGNMENT_BYTES == 0 and array.flags.writeable:
            return tensorflow.experimental.dlpack.from_dlpack(array.__dlpack__())
        return tensorflow.convert_to_tensor(array)

    return initializer


def variable_view(variable: Any) -> Floats:
    """What a Keras variable really holds; on the CPU a view of its memory, so do not write to it."""
    return np.asarray(memoryview(variable.value.read_value()))


def _weights_in(model: Any) -> Iterator[tuple[str, Floats]]:
    for layer in model.layers:
        for variable in layer.weights:
            yield f"{layer.name}/{variable.name}", variable_view(variable)
