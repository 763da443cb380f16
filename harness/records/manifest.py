"""The seal of a record: SHA-256 of what it says and of the files that belong to it.

It shows that a byte was changed, not who wrote it: whoever edits a record can seal it anew. Against a liar stand the
checks of `harness.records.check` and a second run by somebody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import BadInputError
from harness.records.canonical import canonical

TRACE = "power.csv"
"""Name of the power trace in a manifest."""


def beside(record: Path, name: str) -> Path:
    """Where a file of a record lies: `RUN.json` has its trace in `RUN.power.csv`."""
    return record.with_suffix(f".{name}")


def seal(document: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Add the manifest; an earlier one is replaced.

    Args:
        document: a record as plain data.
        files: name in the manifest -> the file, as it is on disk now.

    Raises:
        BadInputError: a file cannot be read.
        ValueError: the record holds what JSON cannot.
    """
    sealed = {**document, "manifest": {"files": {name: describe(path) for name, path in (files or {}).items()}}}
    sealed["manifest"]["record_sha256"] = content_sha256(sealed)
    return sealed


def content_sha256(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical form of a record without its own digest, hexadecimal."""
    manifest = {key: value for key, value in document["manifest"].items() if key != "record_sha256"}
    return hashlib.sha256(canonical({**document, "manifest": manifest})).hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """Digest and size of a file.

    Raises:
        BadInputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"sha256": digest, "bytes": path.stat().st_size}
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None


def broken_seals(document: Mapping[str, Any], record: Path | None = None) -> list[str]:
    """What is not as it was when the record was written, one sentence each.

    Args:
        document: a record as plain data, with a manifest.
        record: its file, to look beside it; None leaves other files out.
    """
    found = []
    if document["manifest"].get("record_sha256") != content_sha256(document):
        found.append("the record was changed after it was written: its SHA-256 is another")
    if record is None:
        return found
    files = document["manifest"]["files"]
    if TRACE not in files and (document.get("energy") is not None or beside(record, TRACE).exists()):
        found.append(f"the power trace is not in the manifest: {TRACE}")
    for name, noted in files.items():
        path = beside(record, name)
        if not path.is_file():
            found.append(f"{path.name} is not beside the record")
        elif describe(path) != noted:
            found.append(f"{path.name} was changed after the record was written: its SHA-256 is another")
    return found
