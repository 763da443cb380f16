"""Blocks on TensorFlow: on the CPU the fastest of three ways to compile a Keras block, as measured when it is loaded.

``function`` is the plain compiled function, by which every reference is computed. ``packed`` has oneDNN arrange the
kernels of convolutions for the instructions of the processor once, not for every frame (`packed_convolution`).
``xla`` has the whole block compiled by XLA.
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
from harness.runtime.keras_block import build_function, compute_with, pads_itself, trace
from harness.runtime.loaded_block import Array, Compute, LoadedBlock, sample_inputs
from harness.runtime.own_threads import own_threads
from harness.runtime.packed_convolution import can_pack, packed_convolution

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
        if self._way != "auto" or len(ways) == 1:
            computes = {way: self._compute(way, block, function, model) for way in ways}
            choice = self._asked(block, computes)
            return LoadedBlock(block, fingerprint, computes[choice.way], choice)
        kept = self._kept.find(block, ways)
        if kept is None:
            with self._kept.alone(block, ways):
                kept = self._kept.find(block, ways)  # somebody else may have measured meanwhile
                if kept is None:
                    computes = {way: self._compute(way, block, function, model) for way in ways}
                    choice = self._measured(block, computes)
                    self._kept.keep(block, ways, choice)
                    return LoadedBlock(block, fingerprint, computes[choice.way], choice)
        loaded = LoadedBlock(block, fingerprint, self._compute(kept.way, block, function, model), kept)
        if try_out:
            loaded(*sample_inputs(block))
        return loaded

    def _ways(self, block: Block) -> list[str]:
        """The plain function, and what else may be taken; without a convolution there are no kernels to pack."""
        packed = can_pack() and any(isinstance(block.graph.layer(name), Conv2D) for name in block.layers)
        others = [way for way in ("packed", "xla") if self._way in {"auto", way} and (way != "packed" or packed)]
        return ["function", *others]

    def _compute(self, way: str, block: Block, function: Any, model: Any) -> Compute:
        if way == "packed":
            function = trace(block, self._with_packed_kernels(block, model))
        elif way == "xla":
            function = self._with_xla(block, model)
        return compute_with(block, function)

    def _measured(self, block: Block, computes: dict[str, Compute]) -> Choice:
        with own_threads(computes) as apart:
            inputs = telling_inputs(block, apart["function"])
            ways = {name: (lambda compute=compute: compute(inputs)) for name, compute in apart.items()}
            return choose("function", ways, budget_s=_BUDGET_S, clock_s=self._clock_s)

    def _asked(self, block: Block, computes: dict[str, Compute]) -> Choice:
        """The way that was asked for where there is one, and how far its outputs are from the plain function's."""
        way = self._way if self._way in computes else "function"
        with own_threads(computes) as apart:
            inputs = telling_inputs(block, apart["function"])
            right = apart["function"](inputs)
            return Choice(way, None, None if way == "function" else difference(apart[way](inputs), right))

    def _with_xla(self, block: Block, model: Any) -> Any:
        flatten = self._tensorflow.nest.flatten
        # A function of its own, called by a plain one: the short call (`DirectCall`) knows plain ones.
        compiled = self._tensorflow.function(
            lambda *batches: flatten(model(list(batches), training=False)), jit_compile=True, autograph=False
        )
        return trace(block, lambda *batches: compiled(*batches))  # noqa: PLW0108  not itself: it has no such call

    def _with_packed_kernels(self, block: Block, model: Any) -> Callable[..., Any]:
        def body(*batches: Any) -> list[Any]:
            tensors = dict(zip(block.inputs, batches, strict=True))
            for name in block.layers:
                layer, keras_layer = block.layer(name), model.get_layer(name)
                (tensor,) = (tensors[source] for source in layer.inputs)
                if isinstance(layer, Conv2D):
                    kernel, *biases = (variable.value.read_value() for variable in keras_layer.weights)
                    (bias,) = biases or [self._tensorflow.zeros(layer.filters)]
                    pads = None if pads_itself(block, name) else block.pads(name)
                    result = packed_convolution(self._tensorflow, layer, tensor, kernel, bias, pads)
                    result.set_shape((1, *block.shape(name)))
                    tensors[name] = result
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
