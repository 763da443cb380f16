"""Blocks on LiteRT (TensorFlow Lite): converted from the compiled Keras function by TensorFlow's own converter."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

import numpy as np

from harness.models.weights import Floats, WeightSource
from harness.partition.block import Block
from harness.records.computing import Choice, Precision
from harness.runtime.device import require_configured
from harness.runtime.keras_block import INPUT, build_function
from harness.runtime.loaded_block import Array, LoadedBlock, sample_inputs
from harness.runtime.packages import import_package


class LiteRtRuntime:
    """See `harness.runtime.loaded_block.Runtime`.

    Args:
        threads: threads inside one operation.
        precision: f32; fp16 keeps weights in half the bits; int8 keeps them in a quarter, and rounds what goes into a
            layer likewise, by the range that it has in this frame ("dynamic range").

    Raises:
        MissingPackageError: ai-edge-litert is not installed.
        RuntimeError: `harness.runtime.configure` was not called: TensorFlow converts.
    """

    name = "litert"

    def __init__(self, threads: int, precision: Precision = "f32") -> None:
        self.precision = precision
        self._threads = threads
        self._tensorflow = require_configured()
        self._package = import_package("ai_edge_litert", "litert")
        self._interpreter = import_package("ai_edge_litert.interpreter", "litert").Interpreter

    def versions(self) -> dict[str, str]:
        """See `Runtime.versions`."""
        return {"ai-edge-litert": version("ai-edge-litert"), "tensorflow": str(self._tensorflow.__version__)}

    def load(self, block: Block, weights: WeightSource, *, try_out: bool = True) -> LoadedBlock:
        """See `Runtime.load`."""
        function, model, fingerprint = build_function(block, weights)
        data = self._convert(function, model)
        del function, model  # their weights would stay in memory a second time
        interpreter = self._interpreter(model_content=data, num_threads=self._threads)
        interpreter.allocate_tensors()
        places = _in_order(interpreter.get_input_details(), INPUT)
        results = _in_order(interpreter.get_output_details(), "(?:Identity|PartitionedCall)")

        def compute(inputs: tuple[Array, ...]) -> tuple[Floats, ...]:
            for place, array in zip(places, inputs, strict=True):
                interpreter.set_tensor(place, array[np.newaxis])
            interpreter.invoke()
            return tuple(interpreter.get_tensor(place)[0] for place in results)

        loaded = LoadedBlock(block, fingerprint, compute, Choice("interpreter"))
        if try_out:
            loaded(*sample_inputs(block))
        return loaded

    def _convert(self, function: Any, model: Any) -> bytes:
        lite = self._tensorflow.lite
        holder = self._tensorflow.Module()
        # Weights that the converter does not find on the object beside the function are left out of the file.
        holder.held = [variable.value for variable in model.weights]
        converter = lite.TFLiteConverter.from_concrete_functions([function], holder)
        if self.precision != "f32":
            converter.optimizations = [lite.Optimize.DEFAULT]
        if self.precision == "fp16":
            converter.target_spec.supported_types = [self._tensorflow.float16]
        data: bytes = converter.convert()
        return data


def _in_order(details: list[dict[str, Any]], word: str) -> list[int]:
    """Places of tensors in the order of the numbers behind a word in their names; the first may have none."""

    def number(detail: dict[str, Any]) -> int:
        found = re.search(rf"{word}[_:]?(\d*)", str(detail["name"]))
        assert found is not None, f"the converter named a tensor {detail['name']}"
        return int(found[1] or 0)

    return [int(detail["index"]) for detail in sorted(details, key=number)]
