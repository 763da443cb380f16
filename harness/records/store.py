"""Records on disk: one JSON file for each run, whole or not there at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from harness.errors import BadInputError
from harness.records.record import FORMAT, Record

RESULTS_VARIABLE = "IOT_FARM_RESULTS"
"""Environment variable that names the folder of records."""


def results_folder() -> Path:
    """Where records go: $IOT_FARM_RESULTS, else ./results."""
    return Path(os.environ.get(RESULTS_VARIABLE) or "results")


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write JSON so that a reader sees all of it or nothing, even after a power cut.

    Raises:
        BadInputError: the folder cannot be written.
        ValueError: the document holds NaN or infinity.
    """
    text = json.dumps(document, indent=1, allow_nan=False, sort_keys=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
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
    target = "".join(c if c.isalnum() or c in "-_" else "_" for c in record.target["name"])
    path = folder / f"{stamp}-{record.model['name']}-{target}-{record.run[:8]}.json"
    write_document(path, record.to_document())
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read one record as plain data.

    Raises:
        BadInputError: the file is not a record of ours.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not a run record: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadInputError(f"{path} is not a run record", f'expected "format": "{FORMAT}"')
    return document


def read_records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every record of a folder, oldest first."""
    return [(path, read_record(path)) for path in sorted(folder.glob("*.json"))]
