"""Ways of computing that are compared in one process, each on a thread of its own.

TensorFlow keeps what oneDNN has prepared for a convolution by thread, and looks it up by the sizes alone: on one thread
the first way that computes decides in which order kernels lie for all others, and packed ones are as slow as plain ones
(7.4 or 11.8 ms for AlexNet's convolutions, measured). A node's frames are computed on one more thread, by one way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

A = TypeVar("A")
R = TypeVar("R")


@contextmanager
def own_threads(computes: Mapping[str, Callable[[A], R]]) -> Iterator[dict[str, Callable[[A], R]]]:
    """The same functions, each called on a thread of its own; the threads end with the context."""
    with ExitStack() as threads:
        yield {name: _on(threads.enter_context(ThreadPoolExecutor(1)), compute) for name, compute in computes.items()}


def _on(thread: ThreadPoolExecutor, compute: Callable[[A], R]) -> Callable[[A], R]:
    return lambda inputs: thread.submit(compute, inputs).result()
