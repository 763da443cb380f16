"""Blocks on TensorFlow: on the CPU the fastest of three ways to compile a Keras block, as measured when it is loaded.

``function`` is the plain compiled function, by which every reference is computed. ``constant`` has the kernels of
convolutions as constants, which lets TensorFlow arrange them once for the instructions of the processor. ``xla`` has
the whole block compiled by XLA.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from harness.errors import BadInputError
from harness.models.graph import Conv2D
from harness.models.weights import WeightSource
from harness.partition.block import Block
from harness.records.computing import Choice, Precision, Way
from harness.runtime.choice import choose, difference
from harness.runtime.device import configured_device, require_configured, versions
from harness.runtime.kept_choice import KeptChoices
from harness.runtime.keras_block import build_function, compute_with, trace, variable_view
from harness.runtime.loaded_block import Array, Compute, LoadedBlock, sample_inputs

_BUDGET_S: Final = 0.5
"""Seconds of computing after which no further round of measuring begins."""
_PEAKED: Final = 0.5
_FAINTER: Final = 0.1
_LEAST_SCALE: Final = 1e-4


class KerasRuntime:
    """See `harness.runtime.loaded_block.Runtime`.

    Args:
        way: how blocks are compiled; "auto" measures, and takes what is fastest and right.
        threads: threads inside one operation.

    Raises:
        RuntimeError: `harness.runtime.configure` was not called in this process.
        BadInputError: a GPU was configured, which has the plain function alone.
    """

    name = "keras"
    precision: Precision = "f32"

    def __init__(self, way: Way, threads: int) -> None:
        self._tensorflow = require_configured()
        if configured_device() != "cpu" and way not in {"auto", "function"}:
            raise BadInputError(f"--way {way} is for the CPU", "a GPU computes the plain function: leave --way out")
        self._way = "function" if configured_device() != "cpu" else way
        # Processor time of a single thread does not count what the machine's other nodes take meanwhile.
        self._clock_s: Callable[[], float] = time.process_time if threads == 1 else time.perf_counter
        self._kept = KeptChoices(threads)

    def versions(self) -> dict[str, str]:
        """See `Runtime.versions`."""
        return versions()

    def load(self, block: Block, weights: WeightSource, *, try_out: bool = True) -> LoadedBlock:
        """See `Runtime.load`."""
        function, model, fingerprint = build_function(block, weights)
        ways = tuple(self._ways(block))
        choice = self._kept.find(block, ways) if self._way == "auto" and len(ways) > 1 else None
        if choice is None:
            computes = {way: self._compute(way, block, function, model) for way in ways}
            choice = self._choose(block, computes)
            compute = computes[choice.way]
            if self._way == "auto" and len(ways) > 1:
                self._kept.keep(block, ways, choice)
        else:
            compute = self._compute(choice.way, block, function, model)
            if try_out:
                compute(sample_inputs(block))
        return LoadedBlock(block, fingerprint, compute, choice)

    def _ways(self, block: Block) -> list[str]:
        """The plain function, and what else may be taken; without a convolution there are no kernels to hold."""
        kernels = any(isinstance(block.graph.layer(name), Conv2D) for name in block.layers)
        others = [way for way in ("constant", "xla") if self._way in {"auto", way} and (way != "constant" or kernels)]
        return ["function", *others]

    def _compute(self, way: str, block: Block, function: Any, model: Any) -> Compute:
        if way == "constant":
            function = trace(block, self._with_constant_kernels(block, model))
        elif way == "xla":
            function = self._with_xla(block, model)
        return compute_with(block, function)

    def _choose(self, block: Block, computes: dict[str, Compute]) -> Choice:
        inputs = telling_inputs(block, computes["function"])
        ways = {name: (lambda compute=compute: compute(inputs)) for name, compute in computes.items()}
        if self._way == "auto":
            return choose("function", ways, budget_s=_BUDGET_S, clock_s=self._clock_s)
        way = self._way if self._way in computes else "function"
        right = ways["function"]()
        return Choice(way, None, None if way == "function" else difference(ways[way](), right))

    def _with_xla(self, block: Block, model: Any) -> Any:
        flatten = self._tensorflow.nest.flatten
        # A function of its own, called by a plain one: the short call (`DirectCall`) knows plain ones.
        compiled = self._tensorflow.function(
            lambda *batches: flatten(model(list(batches), training=False)), jit_compile=True, autograph=False
        )
        return trace(block, lambda *batches: compiled(*batches))  # noqa: PLW0108  not itself: it has no such call

    def _with_constant_kernels(self, block: Block, model: Any) -> Callable[..., Any]:
        tensorflow = self._tensorflow
        # Read before the body is traced: inside of it a variable has no memory to look at.
        held = {
            name: tuple(np.array(variable_view(variable)) for variable in model.get_layer(name).weights)
            for name in block.layers
            if isinstance(block.graph.layer(name), Conv2D)
        }

        def body(*batches: Any) -> list[Any]:
            tensors = dict(zip(block.inputs, batches, strict=True))
            for name in block.layers:
                layer, keras_layer = block.graph.layer(name), model.get_layer(name)
                (tensor,) = (tensors[source] for source in layer.inputs)
                if isinstance(layer, Conv2D):
                    kernel, bias = (tensorflow.constant(array) for array in held[name])
                    summed = tensorflow.nn.conv2d(tensor, kernel, strides=layer.strides, padding="SAME")
                    tensors[name] = keras_layer.activation(tensorflow.nn.bias_add(summed, bias))
                else:
                    tensors[name] = keras_layer(tensor)
            return [tensors[name] for name in block.outputs]

        return body


def telling_inputs(block: Block, compute: Compute) -> tuple[Array, ...]:
    """Inputs under which a softmax at the end is not saturated: one answer of 1 among zeros hides every difference."""
    inputs, scale = sample_inputs(block), 1.0
    last = block.graph.layer(block.layers[-1])
    if getattr(last, "activation", "") != "softmax":
        return inputs
    while scale > _LEAST_SCALE and max(float(np.max(output)) for output in compute(inputs)) > _PEAKED:
        scale *= _FAINTER
        inputs = tuple(
            array if array.dtype == np.uint8 else array * np.float32(scale) for array in sample_inputs(block)
        )
    return inputs
