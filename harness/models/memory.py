"""Memory that a runtime can take over without a copy."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.models.graph import Shape

ALIGNMENT_BYTES = 64
"""Where an array must start; TensorFlow demands it, as do the wide loads of most processors."""


def aligned_empty(shape: Shape, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array of any content that starts at a multiple of `ALIGNMENT_BYTES`."""
    size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size_bytes + ALIGNMENT_BYTES, dtype=np.uint8)
    start = -memory.ctypes.data % ALIGNMENT_BYTES
    return memory[start : start + size_bytes].view(dtype).reshape(shape)
