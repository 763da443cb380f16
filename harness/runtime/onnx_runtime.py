"""Blocks on ONNX Runtime: the graph is written straight from the layers, and computed by its CPU provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.models.weights import Floats, WeightSource
from harness.partition.block import Block
from harness.partition.split import Pads
from harness.records.computing import Choice, Precision
from harness.runtime.channels_first import assemble, draw_weights
from harness.runtime.loaded_block import Array, LoadedBlock, sample_inputs
from harness.runtime.packages import import_package

_OPSET = 17
_IR_VERSION = 8
"""Of that operator set: older runtimes refuse newer files."""
_ERRORS_ONLY = 3


class OnnxRuntime:
    """See `harness.runtime.loaded_block.Runtime`.

    Args:
        threads: threads inside one operation.

    Raises:
        MissingPackageError: onnx or onnxruntime is not installed.
    """

    name = "onnx"
    precision: Precision = "f32"

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._onnx = import_package("onnx", "onnx")
        self._runtime = import_package("onnxruntime", "onnx")

    def versions(self) -> dict[str, str]:
        """See `Runtime.versions`."""
        return {"onnxruntime": str(self._runtime.__version__), "onnx": str(self._onnx.__version__)}

    def load(self, block: Block, weights: WeightSource, *, try_out: bool = True) -> LoadedBlock:
        """See `Runtime.load`."""
        arrays, fingerprint = draw_weights(block, weights)
        names = {name: f"input_{name}" for name in block.inputs}
        builder = _GraphBuilder(self._onnx)
        outputs = assemble(block, names, arrays, builder)
        session = self._session(builder.model(block, names, outputs), builder.initializers)
        feeds = tuple(names.values())

        def compute(inputs: tuple[Array, ...]) -> tuple[Floats, ...]:
            batches = {name: array[np.newaxis] for name, array in zip(feeds, inputs, strict=True)}
            return tuple(output[0] for output in session.run(outputs, batches))

        loaded = LoadedBlock(block, fingerprint, compute, Choice("session"))
        if try_out:
            loaded(*sample_inputs(block))
        return loaded

    def _session(self, model: bytes, initializers: dict[str, Floats]) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Threads that spin between frames would take the cores of this machine's other nodes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        values = [self._runtime.OrtValue.ortvalue_from_numpy(array) for array in initializers.values()]
        options.add_external_initializers(list(initializers), values)
        return self._runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class _GraphBuilder:
    """Collects nodes and weights; a tensor's handle is its name. See `harness.runtime.channels_first.Builder`."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._small: list[Any] = []
        self.initializers: dict[str, Floats] = {}
        """Name -> weights, which stand beside the graph: a file that holds them may have 2 GiB at most."""

    def rescale(self, tensor: str, scale: float) -> str:
        floats = self._add("Cast", [tensor], to=self._onnx.TensorProto.FLOAT)
        return self._add("Mul", [floats, self._constant(np.array(scale, np.float32))])

    def transpose(self, tensor: str, order: Sequence[int]) -> str:
        return self._add("Transpose", [tensor], perm=list(order))

    def convolution(self, tensor: str, kernel: Floats, bias: Floats, strides: tuple[int, int], pads: Pads) -> str:
        inputs = [tensor, self._weights(kernel), self._weights(bias)]
        (top, bottom), (left, right) = pads
        return self._add(
            "Conv", inputs, kernel_shape=list(kernel.shape[2:]), strides=list(strides), pads=[top, left, bottom, right]
        )

    def pool(self, tensor: str, size: tuple[int, int]) -> str:
        return self._add("MaxPool", [tensor], kernel_shape=list(size), strides=list(size))

    def flatten(self, tensor: str, features: int) -> str:
        return self._add("Reshape", [tensor, self._constant(np.array([1, features], np.int64))])

    def dense(self, tensor: str, kernel: Floats, bias: Floats) -> str:
        return self._add("Gemm", [tensor, self._weights(kernel), self._weights(bias)])

    def activation(self, tensor: str, name: str) -> str:
        return self._add("Relu", [tensor]) if name == "relu" else self._add("Softmax", [tensor], axis=-1)

    def model(self, block: Block, inputs: dict[str, str], outputs: Sequence[str]) -> bytes:
        """The graph as a file without its weights."""
        make, types = self._onnx.helper, self._onnx.TensorProto
        elements = {"uint8": types.UINT8, "float32": types.FLOAT}

        def told(name: str, tensor: str) -> Any:
            kind = elements[block.graph.dtype(tensor)]
            return make.make_tensor_value_info(name, kind, [1, *block.shape(tensor)])

        graph = make.make_graph(
            self._nodes,
            block.graph.name,
            [told(name, tensor) for tensor, name in inputs.items()],
            [told(name, tensor) for name, tensor in zip(outputs, block.outputs, strict=True)],
            initializer=self._small + [self._beside(name, array) for name, array in self.initializers.items()],
        )
        opset = make.make_opsetid("", _OPSET)
        model = make.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="ck-iot-farm")
        data: bytes = model.SerializeToString()
        return data

    def _add(self, operation: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{operation.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def _constant(self, value: Any) -> str:
        name = f"constant_{len(self._small)}"
        self._small.append(self._onnx.numpy_helper.from_array(value, name))
        return name

    def _weights(self, array: Floats) -> str:
        name = f"weights_{len(self.initializers)}"
        self.initializers[name] = array
        return name

    def _beside(self, name: str, array: Floats) -> Any:
        tensor = self._onnx.TensorProto()
        tensor.name, tensor.data_type = name, self._onnx.TensorProto.FLOAT
        tensor.dims.extend(array.shape)
        tensor.data_location = self._onnx.TensorProto.EXTERNAL
        # Never opened: the session is handed the memory by this name.
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "memory"
        return tensor
