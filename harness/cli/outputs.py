"""Files that a command is to write: looked at before it works, and nothing of another kind is written over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import BadInputError, UserError


def require_output(path: Path | None, what: str, ours: Callable[[Any], bool]) -> None:
    """See that a file can be written where a user wants it.

    Args:
        path: of the file; None is none.
        what: it will be, for messages: "profile", "farm file".
        ours: whether what JSON a file holds is of the kind that may be written anew.

    Raises:
        BadInputError: its folder does not exist, it is a folder, or it holds something else.
    """
    if path is None:
        return
    hint = f"name another file for the {what}"
    try:
        if not path.parent.is_dir():
            raise BadInputError(f"{path} cannot be written: there is no folder {path.parent}", "make it, or " + hint)
        if path.is_dir():
            raise BadInputError(f"{path} cannot be written: it is a folder", hint)
        if not path.is_file() or path.stat().st_size == 0:
            return
    except (OSError, ValueError) as error:
        raise BadInputError(f"{str(path)!r} cannot be written: {error}", hint) from None
    from harness.records.json_file import read_json

    try:
        known = ours(read_json(path, what, hint))
    except UserError:
        known = False
    if not known:
        raise BadInputError(f"{path} exists and is no {what} of this command: it is not written over", hint)


def write_output(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        BadInputError: it cannot be written.
    """
    from harness.report.files import write_files

    if path.exists() and not path.is_file():  # a pipe, or a terminal
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadInputError(f"{path} cannot be written: {error.strerror}", "name another file") from None
        return
    write_files(path.parent, {path.name: text.encode()})
