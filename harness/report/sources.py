"""Which records a report is about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadInputError, NotFoundError
from harness.records.store import read_record, read_records


@dataclass(frozen=True)
class Source:
    """One record on disk.

    Attributes:
        path: its file.
        document: what stands in it.
        sha256: of the file.
    """

    path: Path
    document: dict[str, Any]
    sha256: str

    @property
    def trace_path(self) -> Path:
        """Where the power trace of the run lies if there is one."""
        return self.path.with_suffix(".power.csv")


def read_sources(paths: Sequence[Path], *, latest: bool = False) -> list[Source]:
    """Read records and folders of records, each file once.

    Args:
        paths: files and folders.
        latest: keep only the newest run of each model and target.

    Returns:
        The records in the order given, those of a folder oldest first.

    Raises:
        BadInputError: a file that is no record of ours.
        NotFoundError: a path that does not exist, or no record at all.
    """
    found: dict[Path, dict[str, Any]] = {}
    for path in paths:
        if not path.exists():
            raise NotFoundError(f"there is no {path}", "name records or folders of them; iot-farm run makes some")
        records = read_records(path) if path.is_dir() else [(path, read_record(path))]
        # A record may be named besides its folder.
        found |= {record.resolve(): document for record, document in records}
    if not found:
        places = ", ".join(str(path) for path in paths)
        raise NotFoundError(f"there is no record in {places}", "iot-farm run … --power virtual makes one")
    sources = [Source(path, document, file_sha256(path)) for path, document in found.items()]
    return _newest(sources) if latest else sources


def report_folder(paths: Sequence[Path]) -> Path:
    """Where the report goes when nobody says: beside the first records."""
    first = paths[0]
    return (first if first.is_dir() else first.parent) / "energy-report"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        BadInputError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}") from None


def _newest(sources: Sequence[Source]) -> list[Source]:
    newest: dict[tuple[str, str, str], Source] = {}
    for source in sorted(sources, key=lambda source: str(source.document["started_utc"])):
        target = source.document["target"]
        # The processor and the graphics card of one machine are two systems.
        key = (str(source.document["model"]["name"]), str(target["name"]), str(target.get("device")))
        newest[key] = source
    return list(newest.values())
