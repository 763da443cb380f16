"""A compiled function called the short way: less work around the layers for every frame.

Calling a concrete function binds its arguments by name and hands the work to a thread of TensorFlow's. With four
processes on two cores that costs as much as a fully connected layer. The public operation for calling a function
computes in the calling thread, and an aligned buffer is given to TensorFlow without a copy.
"""

from typing import Any

import numpy as np

from harness.models.memory import aligned_empty
from harness.models.weights import Floats
from harness.runtime.loaded_block import Array


class DirectCall:
    """Calls a concrete function on the CPU; for one thread at a time.

    Args:
        tensorflow: the module.
        function: the concrete function, from batches of one to a flat list of batches of one.
        shapes: shape of each input, without the batch axis.
        dtypes: element type of each input.
    """

    def __init__(
        self,
        tensorflow: Any,
        function: Any,
        shapes: tuple[tuple[int, ...], ...],
        dtypes: tuple[np.dtype[Any], ...],
    ) -> None:
        self._function = function
        self._captured = list(function.captured_inputs)
        self._output_types = [output.dtype for output in function.outputs]
        self._call = tensorflow.raw_ops.StatefulPartitionedCall
        self._take_over = tensorflow.experimental.dlpack.from_dlpack
        self._buffers = [aligned_empty((1, *shape), dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]

    def __call__(self, inputs: tuple[Array, ...]) -> tuple[Floats, ...]:
        """Compute; the results are memory of their own."""
        batches = []
        for buffer, array in zip(self._buffers, inputs, strict=True):
            np.copyto(buffer[0], array)
            batches.append(self._take_over(buffer.__dlpack__()))
        outputs = self._call(args=batches + self._captured, Tout=self._output_types, f=self._function)
        return tuple(output.numpy()[0] for output in outputs)
