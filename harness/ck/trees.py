"""Copies a CK repository that comes with this package to where CK may write into it.

A copy, since CK makes `tmp/` inside of the program entry and `ck add machine` changes entries where they lie:
the files under version control must never be what CK works on. What a user changed in the copy is kept, by
entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import BadInputError
from harness.records.store import write_document

LEDGER = ".iot-farm.json"
"""File in the copy that lists what was put there: path -> SHA-256."""

_LEFT_OUT = {"__pycache__", "tmp"}
_ENTRY_DEPTH = 3  # module, entry, file


@dataclass(frozen=True)
class Copied:
    """What a copy changed.

    Attributes:
        written: files that are new or newer, relative to the copy.
        kept: entries (`module/name`) that the user changed, left as they are.
    """

    written: tuple[str, ...]
    kept: tuple[str, ...]


def copy_tree(source: Path, target: Path, skip: Collection[str] = ()) -> Copied:
    """Bring the copy up to date; files appear whole or not at all.

    Args:
        source: the repository that comes with this package.
        target: the copy; created where it does not exist.
        skip: entries (`module/name`) that are not to be copied at all.

    Raises:
        BadInputError: the copy cannot be written.
    """
    known = _ledger(target)
    groups: dict[str, list[PurePosixPath]] = defaultdict(list)
    for path in _files(source):
        group = _entry_of(path, source)
        if group not in skip:
            groups[group or str(path)].append(path)
    written: list[str] = []
    kept: list[str] = []
    ledger: dict[str, str] = {}
    try:
        for group, paths in groups.items():
            if any(_changed_by_user(path, source, target, known) for path in paths):
                kept.append(group)
                ledger.update({str(path): known[str(path)] for path in paths if str(path) in known})
                continue
            for path in paths:
                ledger[str(path)] = _digest(source / path)
                if _digest(target / path) != ledger[str(path)]:
                    _copy_file(source / path, target / path)
                    written.append(str(path))
        _remove_withdrawn(known.keys() - ledger.keys(), target, known)
    except OSError as error:
        raise BadInputError(f"{error.filename or target} cannot be written: {error.strerror}") from None
    if ledger != known:
        write_document(target / LEDGER, {"files": dict(sorted(ledger.items()))})
    return Copied(tuple(sorted(written)), tuple(sorted(kept)))


def names_of(source: Path, include: Callable[[str], bool] = lambda _: True) -> list[str]:
    """The entries (`module/name`) of a repository whose module satisfies the condition, sorted."""
    return sorted(
        {group for path in _files(source) if (group := _entry_of(path, source)) and include(group.split("/")[0])}
    )


def _files(source: Path) -> list[PurePosixPath]:
    return sorted(
        PurePosixPath(path.relative_to(source).as_posix())
        for path in source.rglob("*")
        if path.is_file() and path.name != LEDGER and not _LEFT_OUT & set(path.relative_to(source).parts)
    )


def _entry_of(path: PurePosixPath, source: Path) -> str:
    """The entry that a file or alias file belongs to; empty for a file of the repository itself."""
    if len(path.parts) < _ENTRY_DEPTH:
        return ""
    module, name = path.parts[:2]
    if name != ".cm":
        return f"{module}/{name}"
    if path.name.startswith("alias-a-"):
        return f"{module}/{path.name.removeprefix('alias-a-')}"
    return f"{module}/{(source / path).read_text(encoding='utf-8').strip()}"


def _changed_by_user(path: PurePosixPath, source: Path, target: Path, known: dict[str, str]) -> bool:
    """Say whether the copy holds something else than what was put there or would be put there."""
    present = _digest(target / path)
    return bool(present) and present not in (known.get(str(path)), _digest(source / path))


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new-{os.getpid()}")
    try:
        shutil.copy(source, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_withdrawn(paths: Collection[str], target: Path, known: dict[str, str]) -> None:
    """Remove files that an earlier version brought and this one does not, unless the user changed them."""
    for path in paths:
        if _digest(target / path) == known[path]:
            (target / path).unlink()


def _digest(path: Path) -> str:
    """SHA-256 of a file, or an empty string where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _ledger(target: Path) -> dict[str, str]:
    try:
        document = json.loads((target / LEDGER).read_text(encoding="utf-8"))
        return {str(path): str(digest) for path, digest in document["files"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}
