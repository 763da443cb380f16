"""Blocks on OpenVINO: the operations are written straight from the layers, and compiled for the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from harness.errors import BadInputError
from harness.models.weights import Floats, WeightSource
from harness.partition.block import Block
from harness.partition.split import Pads
from harness.records.computing import Choice, Precision
from harness.runtime.channels_first import assemble, draw_weights
from harness.runtime.loaded_block import Array, LoadedBlock, sample_inputs
from harness.runtime.packages import import_package

_ELEMENTS: Final = {"f32": "f32", "bf16": "bf16", "fp16": "f16"}
"""Precision -> its name in OpenVINO."""


class OpenVinoRuntime:
    """See `harness.runtime.loaded_block.Runtime`.

    Args:
        threads: threads inside one operation.
        precision: f32; or bf16 or fp16, in which products are then formed.

    Raises:
        MissingPackageError: openvino is not installed.
        BadInputError: this processor does not compute in that precision.
    """

    name = "openvino"

    def __init__(self, threads: int, precision: Precision = "f32") -> None:
        self.precision = precision
        self._openvino = import_package("openvino", "openvino")
        self._core = self._openvino.Core()
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision != "f32" and precision.upper() not in capabilities:
            raise BadInputError(
                f"this processor does not compute in {precision}",
                f"OpenVINO names {', '.join(sorted(capabilities))}: leave --precision out, or take another machine",
            )
        self._config = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
            # Said even for f32: on processors that have bf16 it is taken unasked.
            "INFERENCE_PRECISION_HINT": _ELEMENTS[precision],
            "EXECUTION_MODE_HINT": "ACCURACY" if precision == "f32" else "PERFORMANCE",
        }

    def versions(self) -> dict[str, str]:
        """See `Runtime.versions`."""
        return {"openvino": str(self._openvino.__version__).split("-")[0]}

    def load(self, block: Block, weights: WeightSource, *, try_out: bool = True) -> LoadedBlock:
        """See `Runtime.load`."""
        arrays, fingerprint = draw_weights(block, weights)
        builder = _OperationBuilder(self._openvino)
        inputs = {
            name: builder.operations.parameter(
                [1, *block.shape(name)], np.dtype(block.graph.dtype(name)), f"input_{name}"
            )
            for name in block.inputs
        }
        outputs = assemble(block, inputs, arrays, builder)
        model = self._openvino.Model(
            [builder.operations.result(output) for output in outputs], list(inputs.values()), block.graph.name
        )
        compiled = self._core.compile_model(model, "CPU", self._config)
        self._require_precision(compiled)
        request = compiled.create_infer_request()

        def compute(arrays: tuple[Array, ...]) -> tuple[Floats, ...]:
            batches = {at: array[np.newaxis] for at, array in enumerate(arrays)}
            request.infer(batches, share_inputs=True, share_outputs=True)
            # The request computes the next frame into the same memory.
            return tuple(request.get_output_tensor(at).data[0].copy() for at in range(len(outputs)))

        loaded = LoadedBlock(block, fingerprint, compute, Choice("compiled"))
        if try_out:
            loaded(*sample_inputs(block))
        return loaded

    def _require_precision(self, compiled: Any) -> None:
        found = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if found != _ELEMENTS[self.precision]:
            raise BadInputError(f"OpenVINO computes in {found} here, not in {self.precision}", "leave --precision out")


class _OperationBuilder:
    """A tensor's handle is OpenVINO's own node. See `harness.runtime.channels_first.Builder`."""

    def __init__(self, openvino: Any) -> None:
        self.operations: Any = import_package("openvino.opset8", "openvino")
        self._float = openvino.Type.f32

    def rescale(self, tensor: Any, scale: float) -> Any:
        floats = self.operations.convert(tensor, self._float)
        return self.operations.multiply(floats, self._constant(np.array(scale, np.float32)))

    def transpose(self, tensor: Any, order: Sequence[int]) -> Any:
        return self.operations.transpose(tensor, self._constant(np.array(order, np.int64)))

    def convolution(self, tensor: Any, kernel: Floats, bias: Floats, strides: tuple[int, int], pads: Pads) -> Any:
        (top, bottom), (left, right) = pads
        made = self.operations.convolution(
            tensor, self._constant(kernel), list(strides), [top, left], [bottom, right], [1, 1]
        )
        return self.operations.add(made, self._constant(bias.reshape(1, -1, 1, 1)))

    def pool(self, tensor: Any, size: tuple[int, int]) -> Any:
        steps, none = list(size), [0, 0]
        return self.operations.max_pool(tensor, steps, [1, 1], none, none, steps).output(0)

    def flatten(self, tensor: Any, features: int) -> Any:
        shape = self._constant(np.array([1, features], np.int64))
        return self.operations.reshape(tensor, shape, special_zero=False)

    def dense(self, tensor: Any, kernel: Floats, bias: Floats) -> Any:
        product = self.operations.matmul(tensor, self._constant(kernel), transpose_a=False, transpose_b=False)
        return self.operations.add(product, self._constant(bias.reshape(1, -1)))

    def activation(self, tensor: Any, name: str) -> Any:
        return self.operations.relu(tensor) if name == "relu" else self.operations.softmax(tensor, -1)

    def _constant(self, array: Any) -> Any:
        return self.operations.constant(array)
