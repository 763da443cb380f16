"""JSON files that people write: found, of a size that such files have, and JSON; else one line with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from harness.errors import BadInputError, NotFoundError
from harness.records.canonical import parse

MOST_BYTES: Final = 32_000_000
"""A list of a hundred thousand devices has 15 MB; a profile has 20 kB."""


def read_json(path: Path, what: str, hint: str, *, most_bytes: int = MOST_BYTES) -> Any:
    """Read a JSON file, and no more of it than such files have.

    Args:
        path: of the file.
        what: what it should be, for messages: "profile", "network".
        hint: what to do where it is none.
        most_bytes: size from which on it is refused unread.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: it cannot be read, is too large, empty, nested too deeply, or no JSON; the message names it.
    """
    name = f"{what} {path}"
    try:
        with path.open("rb") as stream:
            data = stream.read(most_bytes + 1)
    except FileNotFoundError:
        raise NotFoundError(f"{name} does not exist", hint) from None
    except OSError as error:
        raise BadInputError(f"{name} cannot be read: {error.strerror}", hint) from None
    except ValueError as error:  # a path with a null byte
        raise BadInputError(f"{what} {str(path)!r} cannot be read: {error}", hint) from None
    if len(data) > most_bytes:
        raise BadInputError(f"{name} has more than {most_bytes:,} bytes, so it is none", hint)
    if not data.strip():
        raise BadInputError(f"{name} is empty", hint)
    try:
        return parse(data, name)
    except BadInputError as error:
        raise BadInputError(error.message, error.hint or hint) from None
