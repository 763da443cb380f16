"""Memory that is written once, then sealed by the kernel, and mapped by any number of processes.

It is a file without a name (`memfd_create`, Linux): nothing is left on a disk when its last process has ended, however
that happens, two farms never meet in it, and after `seal` nobody can change a byte, its maker included. So a
fingerprint that was taken of it once is that of every process that maps it.
"""

from __future__ import annotations

import errno
import fcntl
import os

from harness.errors import FarmError
from harness.models.mapped_file import LARGE_PAGE_BYTES, Bytes, MappedFile

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class SealedMemory:
    """A piece of memory that a forked process shares with its parent.

    Args:
        name: what the system calls it, in /proc/PID/maps.
    """

    def __init__(self, name: str) -> None:
        self.descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)

    def reserve(self, size_bytes: int) -> MappedFile:
        """Take memory, all of it now and in large pages where there are, and map it to be written.

        Close the mapping before `seal`.

        Raises:
            FarmError: the system does not give so much.
        """
        try:
            os.truncate(self.descriptor, size_bytes)
            mapping = MappedFile(self.descriptor, size_bytes, write=True)
            # A large page is made where a small one is, the first write to a small one would make a small one.
            for offset in range(0, size_bytes - LARGE_PAGE_BYTES + 1, LARGE_PAGE_BYTES):
                os.posix_fallocate(self.descriptor, offset, 1)
            if size_bytes >= LARGE_PAGE_BYTES:
                mapping.join_pages()
            os.posix_fallocate(self.descriptor, 0, size_bytes)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EDQUOT}:
                raise
            raise FarmError(
                f"the system does not give {size_bytes / 1e6:.0f} MB for weights: {error.strerror}",
                "raise the limit, free memory, or start the nodes with --apart, which share nothing",
            ) from None
        return mapping

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
        return MappedFile(self.descriptor, os.fstat(self.descriptor).st_size).bytes()

    def close(self) -> None:
        """Let go of the descriptor; mappings stay."""
        os.close(self.descriptor)
