"""The checks that need more than one record: the folder's index, and the runs of a series."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import BadInputError, NotFoundError
from harness.records.canonical import canonical
from harness.records.check import Audit, check_file
from harness.records.index import read_index
from harness.records.store import read_record

_ONE_SERIES: Final = {
    "model": ("model",),
    "target": ("target",),
    "kind, asked for with other options": ("options", "emulated", "tolerance"),
}
"""What the runs of a series have in common: name -> fields of the record."""


@dataclass(frozen=True)
class FolderAudit:
    """What the checker says of a folder.

    Attributes:
        audits: each record's own.
        problems: of the folder as a whole: files that are no records, the index, series that lack a run.
    """

    audits: dict[Path, Audit]
    problems: tuple[str, ...]


def check_folder(folder: Path) -> FolderAudit:
    """Check every record of a folder and what they are together.

    Raises:
        NotFoundError: the folder holds no record.
    """
    audits: dict[Path, Audit] = {}
    documents: dict[Path, dict[str, Any]] = {}
    problems = []
    for path in sorted(folder.glob("*.json")):
        try:
            documents[path] = read_record(path)
            audits[path] = check_file(path)
        except BadInputError as error:
            problems.append(error.message)
    if not audits and not problems:
        raise NotFoundError(f"there is no record in {folder}", "iot-farm run makes one")
    problems += _index_problems(folder, documents)
    named = {path.name: document for path, document in documents.items()}
    problems += series_problems(named, audits_by_name(audits))
    problems += repeated_problems(named)
    return FolderAudit(audits, tuple(problems))


def audits_by_name(audits: Mapping[Path, Audit]) -> dict[str, Audit]:
    """The same by the name of the file."""
    return {path.name: audit for path, audit in audits.items()}


def series_problems(documents: Mapping[str, dict[str, Any]], audits: Mapping[str, Audit]) -> list[str]:
    """Official series that lack a run, have one twice, or hold one that is not VALID.

    Args:
        documents: file name -> record.
        audits: file name -> what was said of it.
    """
    series: dict[str, list[tuple[int, int, str]]] = {}
    for name, document in documents.items():
        if document["kind"] == "official" and isinstance(document["series"], dict):
            found = document["series"]
            series.setdefault(str(found["id"]), []).append((found["number"], found["of"], name))
    problems = []
    for runs in series.values():
        wanted = set(range(1, max(of for _, of, _ in runs) + 1))
        numbers = [number for number, _, _ in runs]
        first = min(runs)[2]
        if missing := wanted - set(numbers):
            problems.append(f"the official series of {first} lacks run {', '.join(map(str, sorted(missing)))}")
        if len(numbers) != len(set(numbers)):
            problems.append(f"the official series of {first} has a run twice")
        bad = [name for _, _, name in runs if name in audits and audits[name].status != "VALID"]
        if bad:
            problems.append(f"the official series of {first} holds a run that is not VALID: {', '.join(sorted(bad))}")
        problems += [
            f"the official series of {first} holds runs of another {what}"
            for what, parts in _ONE_SERIES.items()
            if len({canonical({part: documents[name].get(part) for part in parts}) for _, _, name in runs}) > 1
        ]
    return problems


def repeated_problems(documents: Mapping[str, dict[str, Any]]) -> list[str]:
    """Records that hold one and the same run: each run is made once, and no two have the same times to the last bit."""
    first: dict[bytes, str] = {}
    problems = []
    for name, document in documents.items():
        times_s = [frame["verified_s"] for frame in document["frames"]]
        if any(times_s):
            of = first.setdefault(hashlib.sha256(canonical(times_s)).digest(), name)
            if of != name:
                problems.append(f"{name} holds the times of {of}, to the last bit")
    return problems


def _index_problems(folder: Path, documents: Mapping[Path, dict[str, Any]]) -> list[str]:
    lines, problems = read_index(folder)
    found = list(problems)
    noted = {line.file: line.record_sha256 for line in lines}
    sealed = {
        path.name: document["manifest"]["record_sha256"] for path, document in documents.items() if document["manifest"]
    }
    there = {path.name for path in folder.iterdir()}
    found += [f"{name} is in the index and not in the folder" for name in noted if name not in there]
    found += [f"{name} is not in the index: `iot-farm record index {folder}`" for name in sealed if name not in noted]
    found += [
        f"{name} is not the record that was filed: the index holds another SHA-256"
        for name, digest in sealed.items()
        if name in noted and noted[name] != digest
    ]
    return found
