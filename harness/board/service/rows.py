"""The routes that give rows, records and their files out as JSON."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from fastapi import Query as InQuery
from fastapi.responses import FileResponse

import harness
from harness.board.catalogue.query import ANY, LARGEST_PAGE, NO_MARK, SORTS, Query
from harness.board.catalogue.tables import Card
from harness.board.columns import AXES, is_energy
from harness.board.row import VERDICTS
from harness.board.service.answers import File, Finding, Frontier, Health, KeptRecord, Problem, Rows
from harness.board.service.archive import Archive
from harness.board.service.limits import RefusedError
from harness.board.service.upload import RECORD
from harness.board.service.uploads import desk_of
from harness.errors import NotFoundError

_ERRORS: dict[int | str, dict[str, Any]] = {400: {"model": Problem}, 422: {"model": Problem}, 503: {"model": Problem}}
_GONE: dict[int | str, dict[str, Any]] = {404: {"model": Problem}, 410: {"model": Problem}}
_LONGEST = 200
_MARK = 2000
_AN_HOUR = "private, max-age=3600"

router = APIRouter(prefix="/api", tags=["records"])

Word = Annotated[str | None, InQuery(max_length=_LONGEST)]


def query_of(
    model: Word = None,
    system: Word = None,
    kind: Annotated[str | None, InQuery(max_length=_LONGEST, description="farm or host.")] = None,
    origin: Annotated[str | None, InQuery(max_length=_LONGEST, description="run or published.")] = None,
    verdict: Annotated[
        str | None, InQuery(max_length=_LONGEST, description=f"{', '.join((*VERDICTS, ANY))}; else what may be shown.")
    ] = None,
    mark: Annotated[
        str | None,
        InQuery(max_length=_LONGEST, description=f"virtual, emulated, wire, computed, published, quick, or {NO_MARK}."),
    ] = None,
    without: Annotated[str | None, InQuery(max_length=_LONGEST, description="Only rows without this mark.")] = None,
    q: Annotated[str, InQuery(max_length=_LONGEST, description="A text in model, system, marks or id.")] = "",
    sort: Annotated[str, InQuery(max_length=_LONGEST, description=f"One of {', '.join(SORTS)}.")] = "started_utc",
    order: Annotated[str, InQuery(pattern="^(asc|desc)$")] = "desc",
) -> Query:
    """Filters and order, as they stand in an address."""
    return Query(model, system, kind, origin, verdict, mark, without, q, sort, descending=order == "desc")


Asked = Annotated[Query, Depends(query_of)]
Key = Annotated[str, InPath(max_length=80, description="Of a row.")]


def archive_of(request: Request) -> Archive:
    """The service's archive."""
    return desk_of(request).archive


def card_of(request: Request, record: str) -> Card:
    """The card of a row that stands.

    Raises:
        NotFoundError: there is none.
        RefusedError: it was withdrawn.
    """
    card = archive_of(request).catalogue.card(record)
    if card is None:
        raise NotFoundError("there is no such record", "GET /api/rows lists them")
    if card.withdrawn is not None:
        note = {name: card.withdrawn.get(name, "") for name in ("utc", "why")}
        raise RefusedError(410, "this record was withdrawn by whoever uploaded it", "", more={"withdrawn": note})
    return card


@router.get("/health", tags=["service"], responses=_ERRORS)
def health(request: Request) -> Health:
    """Whether the service and its database answer."""
    rows = archive_of(request).catalogue.count(Query())
    return Health(status="ok", rows=rows, version=harness.__version__)


@router.get("/rows", responses=_ERRORS)
def rows(
    request: Request,
    query: Asked,
    limit: Annotated[int, InQuery(ge=1, le=LARGEST_PAGE)] = 100,
    after: Annotated[str | None, InQuery(max_length=_MARK, description="`next` of the page before.")] = None,
    before: Annotated[str | None, InQuery(max_length=_MARK, description="`previous` of the page behind.")] = None,
    count: Annotated[bool, InQuery(description="Also count the rows of all pages.")] = False,
) -> Rows:
    """Rows of the table, page by page."""
    catalogue = archive_of(request).catalogue
    page = catalogue.page(query, before or after, limit, back=before is not None)
    return Rows(
        rows=list(page.documents),
        next=page.next,
        previous=page.previous,
        count=catalogue.count(query) if count else None,
    )


@router.get("/frontier", responses=_ERRORS)
def frontier(
    request: Request,
    query: Asked,
    x: Annotated[str, InQuery(max_length=_LONGEST, description=f"One of {', '.join(axis.id for axis in AXES)}.")],
    y: Annotated[str, InQuery(max_length=_LONGEST, description="Another one.")],
) -> Frontier:
    """The Pareto frontiers over all rows: one for each model and each kind of figure, never across."""
    found = archive_of(request).catalogue.frontier(query, x, y)
    key = ["energy_total_j"] if is_energy(x) or is_energy(y) else []
    return Frontier(x=x, y=y, rows=[{**row.to_document(), "basis": row.basis(key)} for row in found])


@router.get("/records/{record}", responses=_GONE)
def record_of(request: Request, record: Key) -> KeptRecord:
    """One row with the checks that it passed or failed, and its files."""
    card = card_of(request, record)
    files = card.more.get("files", {})
    return KeptRecord(
        row=card.row.to_document(),
        findings=[Finding(**one) for one in card.more.get("findings", [])],
        files=[File(name=name, sha256=one["sha256"], bytes=one["bytes"]) for name, one in files.items()],
        entry=card.more.get("entry"),
        by=card.more.get("by"),
        uploaded_utc=card.more.get("utc"),
    )


@router.get("/records/{record}/files/{name}", responses=_GONE, response_class=FileResponse)
def file_of(request: Request, record: Key, name: Annotated[str, InPath(max_length=80)]) -> FileResponse:
    """One file of a record, as it was measured."""
    card = card_of(request, record)
    path = archive_of(request).file(card, name)
    kind = "application/json" if name == RECORD else "text/csv; charset=utf-8"
    # Both words come from us: the id from our digest, the name from a list that the manifest's names were checked by.
    suffix = "json" if name == RECORD else "power.csv"
    return FileResponse(path, media_type=kind, filename=f"{card.row.id}.{suffix}", headers={"cache-control": _AN_HOUR})
