"""What the service answers, field by field; its OpenAPI description is made of this."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from harness.board.service.upload import Answer


class Problem(BaseModel):
    """Every error."""

    error: str = Field(description="What is wrong, in one line.")
    hint: str = Field(description="The way out; may be empty.")


class Health(BaseModel):
    """The service is there, and its database answers."""

    status: str
    rows: int = Field(description="Rows that are shown without asking for others.")
    version: str


class Rows(BaseModel):
    """A page of the table."""

    rows: list[dict[str, Any]]
    next: str | None = Field(description="`after` of the next page; null on the last one.")
    previous: str | None = Field(description="`before` of the previous page; null on the first one.")
    count: int | None = Field(description="Rows on all pages, where it was asked for.")


class Frontier(BaseModel):
    """Rows that no other of the same model and basis beats in both metrics."""

    x: str
    y: str
    rows: list[dict[str, Any]]


class File(BaseModel):
    """One file of a record."""

    name: str
    sha256: str
    bytes: int


class Finding(BaseModel):
    """One rule of the checks."""

    rule: str
    title: str
    passed: bool | None = Field(description="null where it is unknown or does not apply.")
    detail: str


class KeptRecord(BaseModel):
    """Everything about one row."""

    row: dict[str, Any]
    findings: list[Finding]
    files: list[File]
    entry: str | None = Field(description="Experiment entry that it came in.")
    by: str | None = Field(description="Name of the token that it was uploaded with.")
    uploaded_utc: str | None


class RecordAnswer(BaseModel):
    """What became of one record of an upload."""

    entry: str
    name: str
    answer: str = Field(description="stored, already here, withdrawn, refused, or not checkable.")
    id: str
    verdict: str = Field(description="VALID, INVALID or INCOMPLETE, as checked here; empty where nothing was checked.")
    reasons: list[str]
    notes: list[str]


class Uploaded(BaseModel):
    """The answer to a whole upload."""

    upload: str = Field(description="SHA-256 of the archive.")
    stored: int = Field(description="How many records are new.")
    records: list[RecordAnswer]

    @classmethod
    def of(cls, digest: str, answers: Iterable[Answer]) -> Uploaded:
        """The answer with those to its records."""
        records = [RecordAnswer(**one.to_document()) for one in answers]
        return cls(upload=digest, stored=sum(one.answer == "stored" for one in records), records=records)


class Taken(BaseModel):
    """How far an upload has come."""

    upload: str
    offset: int = Field(description="Bytes that are here; the next part begins there.")


class Withdrawn(BaseModel):
    """A record that was taken back."""

    id: str
    utc: str
    why: str
