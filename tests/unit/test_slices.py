"""Long turns on a core."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.node.slices import SLICE_S, compute_in_long_slices


def slice_s() -> float | None:
    """Length of the calling thread's turns as the kernel tells it; None where it does not."""
    try:
        lines = Path("/proc/thread-self/sched").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split(":")[1] for line in lines if line.startswith("se.slice")]
    return int(found[0]) / 1e9 if found else None


def test_long_turns_are_of_one_thread_alone() -> None:
    """The thread that asks has long turns, and one beside it the usual ones."""
    before, seen = slice_s(), []

    def ask() -> None:
        seen.append((compute_in_long_slices(), slice_s()))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    ((granted, inside),) = seen
    assert slice_s() == before
    if not granted or inside is None:
        pytest.skip("this kernel does not tell")
    assert inside in {SLICE_S, before}  # kernels before 6.12 take the wish and do not heed it
