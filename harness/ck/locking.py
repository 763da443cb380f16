"""One at a time: a lock that ends with the process, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import BadInputError


@contextmanager
def exclusive(path: Path, busy: BadInputError) -> Iterator[None]:
    """Hold the lock on a file while the block runs.

    Args:
        path: the lock file; stays, since removing it would let two holders in.
        busy: raised when another process holds the lock.

    Raises:
        BadInputError: `busy`, or the folder cannot be written.
    """
    try:
        stream = path.open("a")
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror}", "is the folder writable?") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        yield
