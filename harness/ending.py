"""How a process that loaded TensorFlow ends: with everything said and done, but not taken apart.

Python takes every module of a process apart before it ends. For TensorFlow's that is a second of computing (measured),
in each node of a farm at once, and nothing comes of it: the system takes the memory back anyway.
"""

from __future__ import annotations

import atexit
import os
import sys

_code: int | None = None


def watch_for_the_end() -> None:
    """Have this process end at once where it can; call it first, so that whatever else waits for its end comes before.

    Threads are joined, callbacks of `atexit` run and output is written as ever. A second call does nothing.
    """
    atexit.unregister(_end)
    atexit.register(_end)


def ends_with(code: int) -> None:
    """Say with which exit code this process is about to end; one that does not (a traceback) ends in the usual way."""
    global _code  # noqa: PLW0603  an exit code belongs to the process
    _code = code


def watch_a_worker() -> None:
    """The same for a process of a pool, which has no exit code to tell: its results are with its parent by then."""
    watch_for_the_end()
    ends_with(0)


def _end() -> None:
    if _code is None or "tensorflow" not in sys.modules:
        return
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # nobody reads: Python's own end has words and an exit code for that
    os._exit(_code)
