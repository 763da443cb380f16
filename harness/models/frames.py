"""Seeded frames: a pool of pictures that differ enough for a swapped or mixed-up answer to show.

Pure noise would not do: every convolution averages it away, and all frames would get nearly the same answer.
So a frame is a smooth pattern (coarse random colours, interpolated) with a tint, a brightness and a contrast
of its own, and a little noise on top. All arithmetic is exact: a frame has the same bytes on every machine.
"""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from harness.models.graph import Shape
from harness.models.streams import draw_bytes, stream

_PATTERNS = ((2, 8), (5, 5), (14, 3))  # (cells per axis, weight in 16ths): a gradient, blobs, texture
_STEPS = 64  # steps of interpolation; every factor here is a power of two, so that nothing is rounded


def frame_pool(seed: int, count: int, shape: Shape) -> npt.NDArray[np.uint8]:
    """Distinct frames for a run.

    Args:
        seed: any integer; another seed gives another pool.
        count: number of frames.
        shape: (height, width, channels) of one frame.

    Returns:
        uint8 array (count, height, width, channels). Frame i depends on (seed, i) alone, so a longer pool
        begins with the shorter one.
    """
    pool = np.empty((count, *shape), dtype=np.uint8)
    for index in range(count):
        pool[index] = _frame(seed, index, shape)
    return pool


def _frame(seed: int, index: int, shape: Shape) -> npt.NDArray[np.uint8]:
    height, width, channels = shape
    source = stream("frame", seed, index)
    pattern = np.zeros(shape)
    for cells, weight in _PATTERNS:
        grid = draw_bytes(source, cells * cells * channels).astype(np.float64) - 128.0
        rows = _interpolation(height, cells) @ grid.reshape(cells, cells * channels)
        columns = rows.reshape(height, cells, channels).transpose(1, 0, 2).reshape(cells, height * channels)
        smooth = (_interpolation(width, cells) @ columns).reshape(width, height, channels).transpose(1, 0, 2)
        pattern += smooth * (weight / 16 / _STEPS**2)
    level, contrast, *tint = (int(byte) for byte in draw_bytes(source, 2 + channels))
    noise = draw_bytes(source, math.prod(shape)).reshape(shape)
    pattern *= (6 + contrast % 27) / 16  # 0.4 to 2
    pattern += noise / 16
    pattern += np.array(tint) * (5 / 16) + (level / 2 + 24)  # a channel's mean lies between 24 and 231
    return np.clip(pattern, 0.0, 255.0).astype(np.uint8)


@cache
def _interpolation(size: int, cells: int) -> npt.NDArray[np.float64]:
    """Matrix (size, cells) that interpolates between the values of a coarse row, in whole steps of 1/64."""
    position = np.arange(size) * (cells - 1) * _STEPS // max(size - 1, 1)
    distance = np.abs(position[:, None] - np.arange(cells)[None, :] * _STEPS)
    return np.asarray(np.maximum(0, _STEPS - distance), dtype=np.float64)
