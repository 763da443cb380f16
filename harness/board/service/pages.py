"""The routes that people look at: the table, a record, the paper's figures, what the service can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from math import ceil
from types import SimpleNamespace
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi import Path as InPath
from fastapi import Query as InQuery
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

import harness
from harness.board.catalogue.query import ANY, SORTS, Query
from harness.board.cells import plotted
from harness.board.detail import Detail, detail_of_published, detail_of_record
from harness.board.exports import csv_text, json_document, markdown_text
from harness.board.pages import (
    ASSETS,
    PLOTLY,
    Listing,
    Site,
    asset,
    plotly_script,
    render_figures,
    render_index,
    render_record,
)
from harness.board.row import Row
from harness.board.service.docs import render_docs
from harness.board.service.rows import archive_of, card_of
from harness.errors import NotFoundError

TITLE = "Scoreboard"
_PAGE = 50
_MOST_DRAWN = 200
_MOST_EXPORTED = 5000
_KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_AN_HOUR = "private, max-age=3600"
_LONGEST, _MARK = 200, 2000

router = APIRouter(include_in_schema=False)

Word = Annotated[str, InQuery(max_length=_LONGEST)]


def _query(words: dict[str, str]) -> Query:
    """The order and the filters of the form; what it does not know is as if it were not there."""
    sort = words["sort"] if words["sort"] in SORTS else "started_utc"
    return Query(
        model=words["model"] or None,
        kind=words["kind"] or None,
        verdict=ANY if words["others"] else None,
        mark=words["mark"] or None,
        text=words["q"],
        sort=sort,
        descending=words["order"] != "asc" if words["order"] or not words["sort"] else False,
    )


def _words(
    q: Word = "",
    model: Word = "",
    kind: Word = "",
    mark: Word = "",
    others: Word = "",
    sort: Word = "",
    order: Word = "",
) -> dict[str, str]:
    """What the form of a list says."""
    return {"q": q, "model": model, "kind": kind, "mark": mark, "others": others, "sort": sort, "order": order}


Words = Annotated[dict[str, str], Depends(_words)]


@dataclass(frozen=True)
class _Marked(Listing):
    """A list whose neighbouring pages are found by their marks: a far page costs no more than the first.

    Attributes:
        marks: number of a neighbouring page -> what its address says besides the number.
    """

    marks: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def link(self, **changes: str | int) -> str:
        page = changes.get("page")
        return super().link(**changes, **(self.marks.get(page, {}) if isinstance(page, int) else {}))


@router.get("/", response_class=HTMLResponse)
def index(
    request: Request,
    words: Words,
    page: Annotated[int, InQuery(ge=1, le=10**9)] = 1,
    after: Annotated[str, InQuery(max_length=_MARK)] = "",
    before: Annotated[str, InQuery(max_length=_MARK)] = "",
) -> HTMLResponse:
    """The table."""
    query = _query(words)
    catalogue = archive_of(request).catalogue
    found = catalogue.page(query, before or after or None, _PAGE, back=bool(before))
    total = catalogue.count(query)
    known = page if before or after else 1
    listing = _Marked(
        query={name: word for name, word in words.items() if word},
        page=known,
        pages=max(ceil(total / _PAGE), known + (found.next is not None)),
        total=total,
        models=catalogue.values("model"),
        marks={known + 1: {"after": found.next or ""}, known - 1: {"before": found.previous or ""}},
    )
    whole = listing.link(page="", sort="", order="")
    if listing.pages > 1:
        listing = replace(listing, frontier=f"frontier.json{whole}{'&' if len(whole) > 1 else ''}")
    site = _site(listing.link(page=""))
    return HTMLResponse(render_index(found.rows, site, listing=listing, show_all=bool(words["others"])))


@router.get("/frontier.json")
def frontier(request: Request, words: Words, x: Word, y: Word) -> JSONResponse:
    """For the plot of a page: the usable rows that none of any page beats in both figures."""
    rows = archive_of(request).catalogue.frontier(replace(_query(words), verdict=None), x, y)
    return JSONResponse({"rows": plotted(rows, _site().record)})


@router.get("/records/{name}.html", response_class=HTMLResponse)
def record(request: Request, name: Annotated[str, InPath(max_length=80)]) -> HTMLResponse:
    """The page of a record, drawn from its file."""
    card = card_of(request, name)
    archive = archive_of(request)
    row = card.row
    if row.origin == "published":
        return HTMLResponse(render_record(row, _published_detail(request, row), _site()))
    # The checks were made when it came; they are shown as they were stored.
    audit = SimpleNamespace(
        status=row.verdict,
        reasons=row.reasons,
        notes=row.notes,
        figures=row.figures,
        findings=[SimpleNamespace(**one) for one in card.more.get("findings", [])],
    )
    detail = detail_of_record(archive.document(card), audit, archive.trace(card))
    return HTMLResponse(render_record(row, detail, _site()))


@router.get("/records/{name}")
def record_by_id(name: Annotated[str, InPath(pattern="^[0-9a-f]{16}$")]) -> RedirectResponse:
    """An id as the programs print it leads to its page."""
    return RedirectResponse(f"{name}.html")


@router.get("/figures.html", response_class=HTMLResponse)
def figures(request: Request) -> HTMLResponse:
    """The paper's figures beside our records, as far as one page can show them."""
    catalogue = archive_of(request).catalogue
    rows = [*catalogue.page(Query(origin="published"), limit=_MOST_DRAWN).rows]
    for model in catalogue.values("model"):
        rows += catalogue.page(Query(origin="run", model=model), limit=_MOST_DRAWN).rows
    return HTMLResponse(render_figures(rows, _site()))


@router.get("/scoreboard.{form}")
def export(
    request: Request,
    form: Annotated[str, InPath(pattern="^(csv|json|md)$")],
    words: Words,
) -> Response:
    """The rows of a list to take away, the first five thousand of them."""
    rows = _rows(request, _query(words))
    if form == "csv":
        return PlainTextResponse(csv_text(rows), media_type="text/csv; charset=utf-8")
    if form == "md":
        return PlainTextResponse(markdown_text(rows, TITLE), media_type="text/markdown; charset=utf-8")
    return JSONResponse(json_document(rows, program=_program(), generated_utc=_now(), files=[]))


@router.get("/assets/{name}")
def assets(name: Annotated[str, InPath(max_length=80)]) -> Response:
    """Scripts and styles of ours."""
    if name not in (*ASSETS, PLOTLY):
        raise NotFoundError("there is no such file", "the pages name theirs")
    return Response(_asset(name), media_type=_KINDS[name.rpartition(".")[2]], headers={"cache-control": _AN_HOUR})


@router.get("/docs", response_class=HTMLResponse)
def docs(request: Request) -> HTMLResponse:
    """What can be asked of the service, made of its own OpenAPI description; no script, nobody else's files."""
    return HTMLResponse(render_docs(request.app.openapi()))


def _rows(request: Request, query: Query) -> list[Row]:
    catalogue = archive_of(request).catalogue
    rows: list[Row] = []
    mark = None
    while len(rows) < _MOST_EXPORTED:
        page = catalogue.page(query, mark, 500)
        rows += page.rows
        mark = page.next
        if mark is None:
            break
    return rows


def _published_detail(request: Request, row: Row) -> Detail:
    published = {one.id: one for one in request.app.state.published}
    return detail_of_published(published[row.id]) if row.id in published else Detail()


def _site(query: str = "") -> Site:
    return Site(
        title=TITLE,
        program=_program(),
        index="./",
        exports=tuple(
            (name, f"scoreboard.{form}{query}") for name, form in (("CSV", "csv"), ("JSON", "json"), ("Markdown", "md"))
        ),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _program() -> str:
    return f"ck-iot-farm {harness.__version__}"


@cache
def _asset(name: str) -> bytes:
    return (plotly_script() if name == PLOTLY else asset(name)).encode()
