"""Several files written together: a reader sees each of them whole, and none where one cannot be written."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from harness.errors import BadInputError


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made where it is missing.

    All are written and flushed under other names first, then renamed in the order given.

    Args:
        folder: where to.
        contents: bytes by file name; no name holds a folder.

    Raises:
        BadInputError: the folder or a file cannot be written; no file has changed, unless a rename itself failed.
    """
    waiting: dict[str, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name, content in contents.items():
                descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".report-")
                waiting[name] = Path(temporary)
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                waiting[name].chmod(0o644)
            for name in contents:
                target = folder / name
                if target.is_dir():
                    raise BadInputError(f"{target} cannot be written: it is a folder", "choose another --out")
            for name in contents:
                waiting.pop(name).replace(folder / name)
        finally:
            remove(waiting.values())
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadInputError(f"{folder} cannot be written: {error.strerror}", "choose another --out") from None


def remove(paths: Iterable[Path]) -> None:
    """Remove files that may be gone already."""
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
