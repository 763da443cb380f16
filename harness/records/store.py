"""Records on disk: one JSON file for each run, whole or not there at all."""

from __future__ import annotations

import json
import math
import os
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.errors import BadInputError
from harness.records.record import FORMAT, VERSION, Record

RESULTS_VARIABLE = "IOT_FARM_RESULTS"
"""Environment variable that names the folder of records."""

_LONGEST_NAME = 60
"""Characters of a target's name in a file name; file systems bound the whole of it."""
_NEEDED: tuple[tuple[str, ...], ...] = (
    # Records of before energy was measured have no such field.
    *((field.name,) for field in fields(Record) if field.name != "energy"),
    *(("target", key) for key in ("name", "kind", "devices")),
    *(("model", key) for key in ("name", "weights", "fingerprint")),
    *(("verdict", key) for key in ("status", "reasons", "notes")),
)
"""Where every record holds a value; readers rely on it."""


def results_folder() -> Path:
    """Where records go: $IOT_FARM_RESULTS, else ./results."""
    return Path(os.environ.get(RESULTS_VARIABLE) or "results")


def require_writable(folder: Path) -> None:
    """See before a run that its record can be filed after it; leaves nothing behind.

    Raises:
        BadInputError: the folder cannot be made or written.
    """
    try:
        existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    except OSError as error:
        raise BadInputError(f"{folder} cannot be written: {error.strerror}", "choose another folder") from None
    if not existing.is_dir():
        raise BadInputError(f"{folder} cannot be written: {existing} is no folder", "choose another folder")
    try:
        # Permissions alone do not tell: /proc lets root in, and takes nothing.
        with tempfile.TemporaryDirectory(dir=existing):
            pass
    except OSError as error:
        raise BadInputError(f"{folder} cannot be written: {error.strerror}", "choose another folder") from None


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write JSON as `write_whole` does.

    Raises:
        BadInputError: the folder cannot be written.
        ValueError: the document holds NaN or infinity.
    """
    write_whole(path, (json.dumps(document, indent=1, allow_nan=False, sort_keys=False) + "\n").encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or nothing, even after a power cut; makes its folder.

    Raises:
        BadInputError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise BadInputError(f"{path} cannot be written: {error.strerror}", "choose another folder") from None


def write_record(record: Record, folder: Path) -> Path:
    """File a record under its start time, model and target; returns the path."""
    stamp = record.started_utc.replace("-", "").replace(":", "").replace(".", "")[:18]
    target = "".join(c if c.isalnum() or c in "-_" else "_" for c in record.target["name"])[:_LONGEST_NAME]
    path = folder / f"{stamp}-{record.model['name']}-{target}-{record.run[:8]}.json"
    write_document(path, record.to_document())
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read one record as plain data.

    Raises:
        BadInputError: the file is not a record of ours, is one of another version, or lacks something.
    """
    hint = "move it to another folder"
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}", hint) from None
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not a run record: {error}", hint) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadInputError(f'{path} is not a run record: its "format" is not "{FORMAT}"', hint)
    if document.get("version") != VERSION:
        raise BadInputError(
            f"{path} is a run record of version {document.get('version')}", f"this program reads version {VERSION}"
        )
    for keys in _NEEDED:
        if not _holds(document, keys):
            raise BadInputError(f"the run record {path} lacks {'.'.join(keys)}", hint)
    return document


def read_records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every record of a folder, oldest first."""
    return [(path, read_record(path)) for path in sorted(folder.glob("*.json"))]


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number that a record may hold")
    return number


def _holds(document: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True
