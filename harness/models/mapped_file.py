"""A file's memory mapped on a border of large pages, so that the processor looks up 512 times fewer of them.

Reading the weights of a dense layer once for every frame is bound by memory: with pages of 4 KiB it takes 6 % longer
than with those of 2 MiB (`python -m benchmarks.pages`). The kernel joins pages of a shared file on request
alone (MADV_COLLAPSE, Linux 6.1), and a process maps joined pages as one where address and offset fit.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import weakref
from functools import cache
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

LARGE_PAGE_BYTES: Final = 2**21
_COLLAPSE: Final = 25
"""MADV_COLLAPSE of <linux/mman.h>, which Python's `mmap` does not name."""
_FIXED: Final = 0x10
"""MAP_FIXED of <linux/mman.h>."""
_FAILED: Final = ctypes.c_void_p(-1).value


class MappedFile:
    """The whole of a file's memory in this process; ends with the last array that looks into it.

    Args:
        descriptor: of the file.
        size_bytes: how much of it.
        write: map it shared and to be written, else private and to be read.

    Raises:
        OSError: the system does not map it.
    """

    def __init__(self, descriptor: int, size_bytes: int, *, write: bool = False) -> None:
        system = _system()
        self._size_bytes = size_bytes
        # Room for any shift to a border; what of it is not used is given back.
        reserved_bytes = size_bytes + LARGE_PAGE_BYTES
        reserved = _mapped(system.mmap(None, reserved_bytes, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0))
        start = -(-reserved // LARGE_PAGE_BYTES) * LARGE_PAGE_BYTES
        whole = -(-size_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            # Private, since older kernels refuse shared mappings of sealed memory; unwritten pages are shared all the
            # same.
            how = mmap.MAP_SHARED if write else mmap.MAP_PRIVATE
            allowed = mmap.PROT_READ | (mmap.PROT_WRITE if write else 0)
            self._start = _mapped(system.mmap(start, size_bytes, allowed, how | _FIXED, descriptor, 0))
        except OSError:
            system.munmap(reserved, reserved_bytes)
            raise
        self._end = weakref.finalize(self, system.munmap, start, whole)
        self._end.atexit = False
        if start > reserved:
            system.munmap(reserved, start - reserved)
        if reserved + reserved_bytes > start + whole:
            system.munmap(start + whole, reserved + reserved_bytes - start - whole)

    def bytes(self) -> Bytes:
        """Its content: uint8 array that holds on to the mapping.

        numpy takes the array for writeable in either case, without which TensorFlow would copy it.

        Raises:
            ValueError: it was closed.
        """
        if not self._end.alive:
            raise ValueError("the mapping is closed")

        class Kept(ctypes.c_uint8 * self._size_bytes):  # type: ignore[misc]
            """An array that holds on to its mapping."""

            owner: Any

        view = Kept.from_address(self._start)
        view.owner = self
        return np.ctypeslib.as_array(view)

    def join_pages(self) -> bool:
        """Have the kernel join the pages that are there; returns whether it did."""
        return self._end.alive and not _system().madvise(self._start, self._size_bytes, _COLLAPSE)

    def close(self) -> None:
        """Let go of it now: no array may look into it any more."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def _mapped(address: int | None) -> int:
    if address is None or address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number or errno.ENOMEM, os.strerror(number or errno.ENOMEM))
    return address


@cache
def _system() -> Any:
    """The C library: Python's own `mmap` takes no address."""
    system = ctypes.CDLL(None, use_errno=True)
    system.mmap.restype = ctypes.c_void_p
    system.mmap.argtypes = (*(ctypes.c_void_p, ctypes.c_size_t), *(ctypes.c_int,) * 3, ctypes.c_long)
    system.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    system.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return system
