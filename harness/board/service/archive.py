"""What a scoreboard keeps: the files and their journal, and the catalogue that follows the journal."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.board.catalogue.catalogue import Catalogue
from harness.board.catalogue.changes import Changes
from harness.board.catalogue.tables import Card
from harness.board.row import row_of_published
from harness.board.service.reading import card_of, prepared_cards
from harness.board.service.store import Store, event_of
from harness.board.service.upload import RECORD, Answer, Checked, checked
from harness.errors import BadInputError, NotFoundError, UserError
from harness.records.manifest import TRACE, beside
from harness.records.published import Published
from harness.records.store import document_of


class ForeignRecordError(BadInputError):
    """Somebody asks for what only the uploader of a record may do."""


class Archive:
    """Takes records in, gives them out and takes them back.

    The journal is the truth and the catalogue its image: a service that was killed between the two finds the
    difference when it starts again.

    Args:
        store: the files.
        catalogue: the rows.
    """

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self.store = store
        self.catalogue = catalogue

    def start(self, published: Iterable[Published] = ()) -> None:
        """Bring the catalogue up to the journal, made anew where it belongs to another one; show what was published.

        Raises:
            BadInputError: the files cannot be read or written.
        """
        journal = self._journal()
        with self.catalogue.changing() as changes:
            known, position = changes.state("journal"), int(changes.state("position") or 0)
        if known != journal or position > self.store.size:
            self.rebuild()
        cards = [Card.of(row_of_published(one)) for one in published]
        with self.store.locked(), self.catalogue.changing() as changes:
            self._follow(changes)
            changes.remove_published()
            changes.put(cards)

    def rebuild(self) -> int:
        """Make the catalogue anew from the journal alone; returns how many records there are."""
        journal = self._journal()
        with self.store.locked():
            end = self.store.size
            return self.catalogue.rebuild(prepared_cards(self.store.journal, end), journal=journal, position=str(end))

    def deposit(self, found: Checked, by: str) -> Answer:
        """Keep a record; when this returns, its files and its row outlive a power cut.

        Args:
            found: a checked record.
            by: whose token it came with.

        Raises:
            BadInputError: it cannot be written.
        """
        key = found.row.id
        known = self.catalogue.card(key)
        if known is None:
            files = {}
            for name, path in found.files.items():
                content = path.read_bytes()
                files[name] = {"sha256": self.store.keep(content), "bytes": len(content)}
            event = {
                "event": "stored",
                "id": key,
                "entry": found.entry,
                "files": files,
                "by": by,
                "utc": _now(),
                "row": found.row.to_document(),
                "findings": found.findings,
            }
            with self.store.locked(), self.catalogue.changing() as changes:
                self._follow(changes)
                known = changes.card(key)
                if known is None:
                    self.store.append(event)
                    self._follow(changes)
                    return found.answer("stored")
        if known.withdrawn is not None:
            return found.answer("withdrawn", f"it was withdrawn on {known.withdrawn['utc']} and stays so")
        return found.answer("already here")

    def withdraw(self, key: str, by: str, why: str = "") -> Card:
        """Take a record out of every list; its files stay, and a note says who did it and when.

        Raises:
            NotFoundError: there is no such record.
            ForeignRecordError: it is somebody else's, or nobody's.
        """
        with self.store.locked(), self.catalogue.changing() as changes:
            self._follow(changes)
            card = changes.card(key)
            if card is None:
                raise NotFoundError("there is no such record", "GET /api/rows lists them")
            if card.more.get("by") != by:
                raise ForeignRecordError(
                    "only who uploaded a record can withdraw it", "use the token that it was uploaded with"
                )
            if card.withdrawn is None:
                self.store.append({"event": "withdrawn", "id": key, "by": by, "utc": _now(), "why": why})
                self._follow(changes)
                card = changes.card(key)
                assert card is not None
        return card

    def recheck(self) -> int:
        """Check every stored record again with the checks of today; returns how many rows changed.

        Raises:
            BadInputError: the journal cannot be written.
        """
        count = 0
        last = self.store.size
        for end, line in self.store.lines():
            if end > last:
                break
            event = event_of(line)
            if event is None or event.get("event") != "stored":
                continue
            fresh = self._fresh(event)
            if fresh is None:
                continue
            with self.store.locked(), self.catalogue.changing() as changes:
                self._follow(changes)
                card = changes.card(fresh["id"])
                if card is not None and card.document != fresh["row"]:
                    self.store.append(fresh)
                    self._follow(changes)
                    count += 1
        return count

    def document(self, card: Card) -> dict[str, Any]:
        """The record of a row.

        Raises:
            NotFoundError: its file is gone.
            BadInputError: its file is no record any more.
        """
        return document_of(self.file(card, RECORD).read_bytes(), RECORD)

    def trace(self, card: Card) -> Path | None:
        """The power trace of a row's record; None where it has none."""
        return self.file(card, TRACE) if TRACE in card.more.get("files", {}) else None

    def file(self, card: Card, name: str) -> Path:
        """One file of a record: the name is looked up, and never becomes a path.

        Raises:
            NotFoundError: the record has no such file.
        """
        described = card.more.get("files", {}).get(name)
        if described is None:
            raise NotFoundError("this record has no such file", "GET /api/records/ID names its files")
        return self.store.content(described["sha256"])

    def _fresh(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """The event as it would be written today; None where its files do not give a record any more."""
        with tempfile.TemporaryDirectory(prefix="recheck-") as folder:
            record = Path(folder) / RECORD
            try:
                for name, described in event["files"].items():
                    shutil.copyfile(
                        self.store.content(described["sha256"]), record if name == RECORD else beside(record, name)
                    )
            except (UserError, OSError):
                return None
            found = checked(record, event["entry"])
        if isinstance(found, Answer) or found.row.id != event["id"]:
            return None
        row = dataclasses.replace(found.row, name=event["row"]["name"])
        return {**event, "row": row.to_document(), "findings": found.findings}

    def _follow(self, changes: Changes) -> None:
        """Apply what the journal holds beyond what the catalogue has seen."""
        position = int(changes.state("position") or 0)
        reached = position
        for end, line in self.store.lines(position):
            reached = end
            event = event_of(line)
            if event is None:
                continue
            if event.get("event") == "withdrawn":
                changes.withdraw(event["id"], event)
            elif (card := card_of(line, {})) is not None:
                known = changes.card(card.id)
                changes.put([card if known is None else dataclasses.replace(card, withdrawn=known.withdrawn)])
        if reached != position:
            changes.set_state("position", str(reached))

    def _journal(self) -> str:
        """The identity of the journal, given with its first line."""
        with self.store.locked():
            first = next((event for _, line in self.store.lines() if (event := event_of(line))), None)
            if first is None:
                first = {"event": "began", "utc": _now(), "journal": secrets.token_hex(8)}
                self.store.append(first)
            return str(first.get("journal", ""))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
