"""Memory that is written once, then sealed by the kernel, and mapped by any number of processes.

It is a file without a name (`memfd_create`, Linux): nothing is left on a disk when its last process has ended, however
that happens, two farms never meet in it, and after `seal` nobody can change a byte, its maker included. So a
fingerprint that was taken of it once is that of every process that maps it.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import FarmError

Bytes = npt.NDArray[np.uint8]

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class SealedMemory:
    """A piece of memory that a forked process shares with its parent.

    Args:
        name: what the system calls it, in /proc/PID/maps.
    """

    def __init__(self, name: str) -> None:
        self.descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)

    def reserve(self, size_bytes: int) -> mmap.mmap:
        """Take memory, all of it now, and map it to be written; close the mapping before `seal`.

        Raises:
            FarmError: the system does not give so much.
        """
        try:
            os.posix_fallocate(self.descriptor, 0, size_bytes)
            return mmap.mmap(self.descriptor, size_bytes)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EDQUOT}:
                raise
            raise FarmError(
                f"the system does not give {size_bytes / 1e6:.0f} MB for weights: {error.strerror}",
                "raise the limit, free memory, or start the nodes with --apart, which share nothing",
            ) from None

    def seal(self) -> None:
        """Let nobody change it, or its size, any more.

        Raises:
            OSError: somebody has mapped it to write (EBUSY).
        """
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)

    @property
    def sealed(self) -> bool:
        """Whether its bytes are final."""
        return fcntl.fcntl(self.descriptor, fcntl.F_GET_SEALS) & _SEALS == _SEALS

    def bytes(self) -> Bytes:
        """Its content, mapped: uint8 array, aligned to a page, valid for as long as anything refers to it.

        numpy takes the array for writeable, without which TensorFlow would copy it; a write ends the process.

        Raises:
            RuntimeError: it is not sealed.
        """
        if not self.sealed:
            raise RuntimeError("memory is mapped by others only when it is sealed")
        # Private, since older kernels refuse shared mappings of sealed memory; unwritten pages are shared all the same.
        mapping = mmap.mmap(self.descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        start = np.frombuffer(mapping, dtype=np.uint8).ctypes.data

        class Kept(ctypes.c_uint8 * len(mapping)):  # type: ignore[misc]
            """An array that holds on to its mapping."""

            owner: Any

        view = Kept.from_address(start)
        view.owner = mapping
        return np.ctypeslib.as_array(view)

    def close(self) -> None:
        """Let go of the descriptor; mappings stay."""
        os.close(self.descriptor)
