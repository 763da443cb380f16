"""Memory of files on borders of large pages."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.models.mapped_file import LARGE_PAGE_BYTES, MappedFile
from harness.models.sealed import SealedMemory

MIB = 2**20


def maps() -> int:
    """Mappings of this process."""
    return Path("/proc/self/maps").read_text(encoding="ascii").count("\n")


def joined_kib(address: int) -> int:
    """How much of the mapping at an address is mapped in large pages, as the kernel tells it."""
    found = False
    for line in Path("/proc/self/smaps").read_text(encoding="ascii").splitlines():
        name = line.split()[0]
        if "-" in name:
            begin, end = (int(border, 16) for border in name.split("-"))
            found = begin <= address < end
        elif found and name == "ShmemPmdMapped:":
            return int(line.split()[1])
    raise AssertionError("there is no such mapping")


@given(st.integers(1, 5 * MIB))
def test_a_mapping_begins_on_a_large_page_and_holds_the_file(size_bytes: int) -> None:
    """Of any size: the first and last byte are the file's, and the begin is on a border of large pages."""
    descriptor = os.memfd_create("test")
    try:
        os.truncate(descriptor, size_bytes)
        os.pwrite(descriptor, b"\x07", size_bytes - 1)
        with MappedFile(descriptor, size_bytes) as mapping:
            content = mapping.bytes()
            assert content.ctypes.data % LARGE_PAGE_BYTES == 0
            assert (len(content), int(content[-1]), int(content[:-1].sum())) == (size_bytes, 7, 0)
    finally:
        os.close(descriptor)


def test_nothing_is_left_of_a_mapping() -> None:
    """A mapping is gone with its last array, or when it is closed; the room that was reserved for it is, too."""
    descriptor = os.memfd_create("test")
    os.truncate(descriptor, 3 * MIB)
    MappedFile(descriptor, 3 * MIB).close()
    before = maps()
    for _ in range(50):
        content = MappedFile(descriptor, 3 * MIB).bytes()[5:]
        assert maps() > before  # the control: it is there for as long as the array is
        del content
    assert maps() == before
    closed = MappedFile(descriptor, 3 * MIB)
    closed.close()
    closed.close()
    assert maps() == before
    with pytest.raises(ValueError, match="closed"):
        closed.bytes()
    assert not closed.join_pages()
    os.close(descriptor)


def test_a_mapping_that_the_system_refuses_leaves_nothing() -> None:
    """A descriptor that is none is an error of the system, and the reserved room is given back."""
    before = maps()
    with pytest.raises(OSError, match="descriptor"):
        MappedFile(-1, MIB)
    with pytest.raises(OSError, match="memory"):
        MappedFile(-1, 2**60)
    assert maps() == before


def test_weights_lie_in_large_pages() -> None:
    """Where the kernel joins pages, sealed memory is mapped in large ones as far as they fit; the rest is small."""
    memory = SealedMemory("test")
    with memory.reserve(2 * LARGE_PAGE_BYTES + mmap.PAGESIZE) as mapping:
        mapping.bytes().view(np.uint8)[:] = 1
        able = mapping.join_pages()
    memory.seal()
    content = memory.bytes()
    assert int(content.sum()) == len(content)
    if not able:
        pytest.skip("this kernel joins no pages of shared files")
    assert joined_kib(content.ctypes.data) == 2 * LARGE_PAGE_BYTES / 1024
    plain = mmap.mmap(memory.descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    address = np.frombuffer(plain, np.uint8).ctypes.data
    if address % LARGE_PAGE_BYTES:  # the control: mapped anywhere else, the same file comes in small ones
        assert plain[0] == 1
        assert joined_kib(address) == 0
    memory.close()
