"""Records on disk: one JSON file for each run, whole or not there at all."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.errors import BadInputError
from harness.records.canonical import canonical, parse
from harness.records.history import READABLE, upgraded
from harness.records.index import append
from harness.records.manifest import TRACE, beside, seal
from harness.records.record import FORMAT, SOMETIMES, VERSION, Record

RESULTS_VARIABLE = "IOT_FARM_RESULTS"
"""Environment variable that names the folder of records."""

_ABANDONED_S = 3600.0
_LONGEST_NAME = 60
"""Characters of a target's name in a file name; file systems bound the whole of it."""
_AGAIN = "take the original again, or repeat the run"
_LATER = {"ended_utc", "devices", "kind", "series", "declared", "energy"}
_NEEDED: tuple[tuple[str, ...], ...] = (
    *((field.name,) for field in fields(Record) if field.name not in (*_LATER, *SOMETIMES)),
    *(("target", key) for key in ("name", "kind", "devices")),
    *(("model", key) for key in ("name", "weights", "fingerprint")),
    *(("verdict", key) for key in ("status", "reasons", "notes")),
)
"""Where every record holds a value; readers rely on it."""
_NEEDED_NOW = (*((name,) for name in sorted(_LATER)), ("manifest", "files"), ("manifest", "record_sha256"))
_NEEDED_1 = (("environment",),)


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


def make_folder(folder: Path) -> None:
    """Make a folder of records, and sweep out what writers that were killed left half-written in it.

    Raises:
        BadInputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in (*folder.glob(".*.json.*"), *folder.glob(".*.power.csv.*")):
            try:
                # A writer at work is done within seconds.
                abandoned = time.time() - left.stat().st_mtime > _ABANDONED_S
            except FileNotFoundError:
                continue  # its writer has just put it in place
            if abandoned:
                left.unlink(missing_ok=True)
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


def record_path(record: Record, folder: Path) -> Path:
    """Where a record goes: its start time, model and target make its name."""
    stamp = record.started_utc.replace("-", "").replace(":", "").replace(".", "")[:18]
    target = "".join(c if c.isalnum() or c in "-_" else "_" for c in record.target["name"])[:_LONGEST_NAME]
    return folder / f"{stamp}-{record.model['name']}-{target}-{record.run[:8]}.json"


def write_record(record: Record, folder: Path) -> Path:
    """File a record with its manifest and enter it into the folder's index; returns its path.

    Its power trace, where it has one, lies beside that path already (`harness.records.manifest.beside`).

    Raises:
        BadInputError: the folder cannot be written.
        ValueError: the record holds NaN or infinity.
    """
    path = record_path(record, folder)
    trace = beside(path, TRACE)
    try:
        belongs = {TRACE: trace} if trace.exists() else {}
    except OSError:  # a name too long; writing says so
        belongs = {}
    sealed = seal(record.to_document(), belongs)
    content = canonical(sealed)
    make_folder(folder)
    write_whole(path, content)
    append(folder, path.name, sealed["manifest"]["record_sha256"])
    return path


def read_record(path: Path) -> dict[str, Any]:
    """Read one record as plain data, an older one in the layout of the present version.

    Raises:
        BadInputError: the file is not a record of ours, is one of another version, or lacks something.
    """
    hint = "name a record that iot-farm run made"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}", hint) from None
    try:
        return document_of(data, str(path))
    except BadInputError as error:
        raise BadInputError(error.message, error.hint or hint) from None


def document_of(data: bytes, name: str) -> dict[str, Any]:
    """The bytes of a record as plain data, an older one in the layout of the present version.

    Raises:
        BadInputError: they are no record of ours; the message calls them `name`.
    """
    try:
        document = parse(data, "it")
    except BadInputError as error:
        raise BadInputError(f"{name} is not a run record: {error.message}", error.hint or _AGAIN) from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadInputError(f'{name} is not a run record: its "format" is not "{FORMAT}"')
    if document.get("version") not in READABLE or isinstance(document["version"], bool):
        versions = " and ".join(map(str, READABLE))
        raise BadInputError(
            f"{name} is a run record of version {document.get('version')}", f"this program reads versions {versions}"
        )
    needed = _NEEDED + (_NEEDED_NOW if document["version"] == VERSION else _NEEDED_1)
    for keys in needed:
        if not _holds(document, keys):
            raise BadInputError(f"the run record {name} lacks {'.'.join(keys)}", _AGAIN)
    return upgraded(document)


def read_records(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Every record of a folder, oldest first.

    Raises:
        BadInputError: one of its files is no record, see `read_record`.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append((path, read_record(path)))
        except BadInputError as error:
            raise BadInputError(error.message, f"move it to another folder; {error.hint}") from None
    return found


def _holds(document: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True
