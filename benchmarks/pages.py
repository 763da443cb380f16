"""What large pages are worth to a fully connected layer: `python -m benchmarks.pages`.

The same weights lie in two files of shared memory, one with its pages joined. A vector is multiplied with each in turn,
by numpy on one core, as often as makes a median; a layer of that kind reads every weight once for every frame.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is there: its library asks once

import numpy as np
import numpy.typing as npt

from benchmarks.markdown import table
from benchmarks.samples import ratios, spread
from harness.models.mapped_file import MappedFile

ROWS, COLUMNS = 6272, 4096
"""Of the first fully connected layer of AlexNet: 103 MB."""
_SEED = 2018

Floats = npt.NDArray[np.float32]


def weights(*, join: bool) -> Floats:
    """The layer's kernel in shared memory: float32 (ROWS, COLUMNS).

    Raises:
        OSError: pages shall be joined, and this kernel does not.
    """
    size_bytes = ROWS * COLUMNS * 4
    descriptor = os.memfd_create("pages")
    os.truncate(descriptor, size_bytes)
    with MappedFile(descriptor, size_bytes, write=True) as writing:
        array = writing.bytes().view(np.float32)
        np.random.default_rng(_SEED).random(dtype=np.float32, out=array)
        if join and not writing.join_pages():
            raise OSError("this kernel joins no pages of shared files: it needs Linux 6.1 and transparent large pages")
        del array
    found = MappedFile(descriptor, size_bytes).bytes().view(np.float32).reshape(ROWS, COLUMNS)
    os.close(descriptor)
    return found


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    rounds = parser.parse_args().rounds
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ways = {"pages of 4 KiB": weights(join=False), "pages of 2 MiB": weights(join=True)}
    vector = np.random.default_rng(_SEED + 1).random(ROWS, dtype=np.float32)
    small, large = (vector @ kernel for kernel in ways.values())
    assert np.array_equal(small, large)
    times_s: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways)[:: 1 if number % 2 else -1]
        for name in names:
            begun_s = time.perf_counter()
            vector @ ways[name]
            times_s[name].append(time.perf_counter() - begun_s)
    small_s, large_s = times_s.values()
    rows = [[name, spread([one * 1e3 for one in found]).quartiles(2)] for name, found in times_s.items()]
    rows.append(["ratio", ratios(small_s, large_s).quartiles(3)])
    print("\n".join(table([f"{ROWS} x {COLUMNS} float32", "ms"], rows)))


if __name__ == "__main__":
    main()
