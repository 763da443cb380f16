"""Looks through an uploaded archive: which of our records it holds, and what our checks make of each (files only).

The archive is what a plain `ck zip` makes. Its statistics and claims are passed over; a record is worth what its raw
samples say when they are counted again here.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.board.row import Row, row_of_record
from harness.errors import BadInputError, UserError
from harness.records.check import Audit, check_file
from harness.records.entries.entry import RECORDS_FOLDER
from harness.records.entries.unpack import entries_in_zip
from harness.records.manifest import beside, broken_seals
from harness.records.store import read_record

MOST_RECORDS = 500
"""Records of one upload; each is checked while the uploader waits."""
MAX_RECORD_BYTES = 32 * 1024 * 1024
"""Largest record that a service checks: two hundred thousand frames."""
RECORD = "record.json"
"""What the record itself is called among its files; the others have the names of its manifest."""
NOT_CHECKABLE = "not checkable"
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Answer:
    """What became of one record.

    Attributes:
        entry: experiment entry that it came in.
        name: stem of its file; "" for an entry without records of ours.
        answer: "stored", "already here", "withdrawn", "refused" or "not checkable".
        id: of its row; "" where there is none.
        verdict: what the checks said here; "" where there was nothing to check.
        reasons: why it was refused, or why its figures must not be used.
        notes: what to know besides.
    """

    entry: str
    name: str
    answer: str
    id: str = ""
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return asdict(self) | {"reasons": list(self.reasons), "notes": list(self.notes)}


@dataclass(frozen=True)
class Checked:
    """A record that may be kept: whole, as its manifest says, and checked here.

    Attributes:
        entry: experiment entry that it came in.
        row: what a scoreboard shows of it.
        files: `RECORD` and the names of its manifest -> the unpacked file.
        findings: each rule of the checks, as plain data.
    """

    entry: str
    row: Row
    files: dict[str, Path]
    findings: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, word: str, *notes: str) -> Answer:
        """What the uploader is told."""
        row = self.row
        return Answer(self.entry, row.name, word, row.id, row.verdict, row.reasons, (*row.notes, *notes))


def look_through(archive: Path, into: Path) -> list[Checked | Answer]:
    """Unpack an archive and check each record in it.

    Args:
        archive: what was uploaded.
        into: an empty folder; the files of what may be kept lie in it afterwards.

    Returns:
        For each record what may be kept, or the answer why not; an entry without records gives one answer.

    Raises:
        BadInputError: the archive is none, is hostile, or holds too much.
    """
    try:
        entries = entries_in_zip(archive, into)
    except BadInputError as error:
        raise BadInputError(_bare(error.message, archive, into), error.hint) from None
    found = [(entry, sorted((entry / RECORDS_FOLDER).glob("*.json"))) for entry in entries]
    count = sum(len(records) for _, records in found)
    if count > MOST_RECORDS:
        shutil.rmtree(into)
        raise BadInputError(
            f"the archive holds {count} records, more than {MOST_RECORDS}", "pack fewer entries at once"
        )
    results: list[Checked | Answer] = []
    for entry, records in found:
        results += [checked(record, entry.name) for record in records]
        if not records:
            reason = f"there is no {RECORDS_FOLDER}/ with raw records in the entry: nothing to count again"
            results.append(Answer(entry.name, "", NOT_CHECKABLE, reasons=(reason,)))
    return results


def checked(record: Path, entry: str) -> Checked | Answer:
    """Check one record with the files beside it; never raises for what they hold."""
    try:
        size = record.stat().st_size
        if size > MAX_RECORD_BYTES:
            raise BadInputError(f"{record.name} has {size:,} bytes, more than {MAX_RECORD_BYTES:,}")  # noqa: TRY301
        document = read_record(record)
        manifest = document["manifest"]
        broken = broken_seals(document, record) if manifest is not None else []
        if broken:
            return _refused(entry, record, tuple(broken))
        audit = check_file(record)
        row = row_of_record(document, audit, record.stem)
        files = {name: beside(record, name) for name in (manifest["files"] if manifest is not None else ())}
        return Checked(entry, row, {RECORD: record, **files}, _findings(audit))
    except UserError as error:
        return _refused(entry, record, (_bare(error.message, record.parent),))
    except Exception as error:  # noqa: BLE001  a record is hostile data: whatever it breaks, it breaks alone
        return _refused(entry, record, (f"{record.name} cannot be checked ({type(error).__name__})",))


def _refused(entry: str, record: Path, reasons: tuple[str, ...]) -> Answer:
    return Answer(entry, record.stem, "refused", reasons=tuple(reason[:_LONGEST_REASON] for reason in reasons[:20]))


def _findings(audit: Audit) -> list[dict[str, Any]]:
    return [
        {"rule": one.rule, "title": one.title, "passed": one.passed, "detail": one.detail[:_LONGEST_REASON]}
        for one in audit.findings
    ]


def _bare(message: str, *places: Path) -> str:
    """A message without the folders of this machine."""
    for place in places:
        message = message.replace(f"{place}/", "").replace(str(place), place.name)
    return message[:_LONGEST_REASON]
