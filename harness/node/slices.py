"""Long turns on a core for a thread that computes.

Several nodes share the cores of one machine, and with the usual turns of 3 ms each of them finds the caches full of
the others' weights some dozen times in a frame. A longer turn is a wish that Linux 6.12 and later heed; threads that
answer messages keep their short ones, and are served first.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from typing import Final

SLICE_S: Final = 0.1
"""The longest turn that the kernel gives."""
_CALL: Final = {"x86_64": 314, "aarch64": 274, "armv7l": 380}
"""Number of the system call `sched_setattr`, which neither Python nor older C libraries know."""
_FIELDS: Final = struct.Struct("=IIQiIQQQ")
"""`struct sched_attr` in its first form: size, policy, flags, nice, priority, runtime, deadline, period."""
_USUAL: Final = 0
"""SCHED_OTHER, as before."""


def compute_in_long_slices() -> bool:
    """Ask for long turns for the calling thread; returns False where the system has none to give."""
    number = _CALL.get(platform.machine())
    if number is None:
        return False
    wish = _FIELDS.pack(_FIELDS.size, _USUAL, 0, 0, 0, round(SLICE_S * 1e9), 0, 0)
    return not ctypes.CDLL(None, use_errno=True).syscall(number, 0, wish, 0)
