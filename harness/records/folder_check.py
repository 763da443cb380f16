"""The checks that need more than one record: the folder's index, and the runs of a series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import BadInputError, NotFoundError
from harness.records.check import Audit, check_file
from harness.records.index import read_index
from harness.records.store import read_record


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
    problems += series_problems({path.name: document for path, document in documents.items()}, audits_by_name(audits))
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
    return problems


def _index_problems(folder: Path, documents: Mapping[Path, dict[str, Any]]) -> list[str]:
    lines, problems = read_index(folder)
    found = list(problems)
    noted = {line.file: line.record_sha256 for line in lines}
    sealed = {
        path.name: document["manifest"]["record_sha256"] for path, document in documents.items() if document["manifest"]
    }
    found += [f"{name} is in the index and not in the folder" for name in noted if not (folder / name).exists()]
    found += [f"{name} is not in the index: `iot-farm record index {folder}`" for name in sealed if name not in noted]
    found += [
        f"{name} is not the record that was filed: the index holds another SHA-256"
        for name, digest in sealed.items()
        if name in noted and noted[name] != digest
    ]
    return found
