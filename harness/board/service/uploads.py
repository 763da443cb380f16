"""The routes that take archives in and records back."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi import Path as InPath
from fastapi import Query as InQuery
from starlette.requests import ClientDisconnect

from harness.board.service.answers import Problem, Taken, Uploaded, Withdrawn
from harness.board.service.archive import Archive
from harness.board.service.limits import Limits, RefusedError
from harness.board.service.partial import Partials, settle
from harness.board.service.tokens import Tokens
from harness.board.service.upload import Answer, look_through
from harness.records.entries.unpack import MAX_ARCHIVE_BYTES

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in (
        (400, "the request cannot be understood"),
        (401, "no token, or nobody's"),
        (413, "the archive is too large"),
        (422, "the archive is none, or is hostile"),
        (503, "busy: try again"),
    )
}
_BEARER = "bearer "
_ZIP: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    },
    "security": [{"token": []}],
}
_SECURED: dict[str, Any] = {"security": [{"token": []}]}

router = APIRouter(prefix="/api", tags=["uploads"])


class Desk:
    """What the routes share: made once for each service, kept in its state.

    Args:
        archive: what is kept.
        tokens: who may upload.
        partials: uploads under way.
        limits: bounds.
    """

    def __init__(self, archive: Archive, tokens: Tokens, partials: Partials, limits: Limits) -> None:
        self.archive, self.tokens, self.partials, self.limits = archive, tokens, partials, limits
        self.checks = anyio.CapacityLimiter(limits.checks_at_once)
        self._receiving = 0

    @contextlib.contextmanager
    def receiving(self) -> Iterator[None]:
        """One upload among those that are received.

        Raises:
            RefusedError: there are enough.
        """
        if self._receiving >= self.limits.uploads_at_once:
            raise RefusedError(
                503, "enough uploads are being received", "try again in a second", headers={"retry-after": "1"}
            )
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def take_in(self, archive: Path, digest: str, owner: str) -> Uploaded:
        """Check an archive and keep its records."""
        answers = await anyio.to_thread.run_sync(self._take_in, archive, owner, limiter=self.checks)
        return Uploaded.of(digest, answers)

    def _take_in(self, archive: Path, owner: str) -> list[Answer]:
        with self.partials.workplace(owner) as folder:
            found = look_through(archive, folder / "repository")
            return [one if isinstance(one, Answer) else self.archive.deposit(one, owner) for one in found]


def desk_of(request: Request) -> Desk:
    """The service's desk."""
    desk: Desk = request.app.state.desk
    return desk


def owner_of(request: Request) -> str:
    """Whose token the request carries.

    Raises:
        RefusedError: it carries none, or nobody's.
    """
    header = request.headers.get("authorization", "")
    token = header[len(_BEARER) :].strip() if header[: len(_BEARER)].lower() == _BEARER else ""
    owner = desk_of(request).tokens.owner(token) if token else None
    if owner is None:
        raise RefusedError(
            401,
            "this token opens nothing" if token else "uploading needs a token",
            "ask whoever keeps the scoreboard for one, and send it as: Authorization: Bearer TOKEN",
            headers={"www-authenticate": "Bearer"},
        )
    return owner


Owner = Annotated[str, Depends(owner_of)]
Digest = Annotated[str, InPath(description="SHA-256 of the whole archive, hexadecimal.", max_length=64)]


@router.post("/uploads", responses={**_ERRORS, 201: {"model": Uploaded}}, openapi_extra=_ZIP)
async def upload(request: Request, response: Response, owner: Owner) -> Uploaded:
    """Take in a zip that `ck zip` or `iot-farm scoreboard push` made; sent twice, it is kept once."""
    desk = desk_of(request)
    with desk.receiving(), desk.partials.workplace(owner) as folder:
        path = folder / "archive.zip"
        await _receive(request, desk, path, desk.limits.upload_bytes)
        digest = await anyio.to_thread.run_sync(_digest, path)
        uploaded = await desk.take_in(path, digest, owner)
    response.status_code = 201 if uploaded.stored else 200
    return uploaded


@router.get("/uploads/{digest}", responses=_ERRORS, openapi_extra=_SECURED)
async def upload_state(request: Request, owner: Owner, digest: Digest) -> Taken:
    """How many bytes of an interrupted upload have come; continue from there."""
    return Taken(upload=digest, offset=desk_of(request).partials.size(owner, digest))


@router.put(
    "/uploads/{digest}",
    responses={**_ERRORS, 201: {"model": Uploaded}, 202: {"model": Taken}, 409: {"model": Problem}},
    openapi_extra=_ZIP,
)
async def upload_part(
    request: Request,
    response: Response,
    owner: Owner,
    digest: Digest,
    offset: Annotated[int, InQuery(ge=0, description="Where this part begins, bytes.")],
    length: Annotated[int, InQuery(ge=1, description="Bytes of the whole archive.")],
) -> Uploaded | Taken:
    """Take in a part of an archive; the answer to the last one is that of `POST /api/uploads`."""
    desk = desk_of(request)
    if length > desk.limits.upload_bytes:
        raise _too_large(desk)
    with desk.receiving(), desk.partials.held(owner, digest) as path:
        there = desk.partials.size(owner, digest)
        if offset != there:
            raise RefusedError(
                409, f"{there} bytes have come so far, not {offset}", "go on from there", more={"offset": there}
            )
        try:
            await _receive(request, desk, path, length - offset)
        finally:
            # What had come before a cut counts.
            reached = await anyio.to_thread.run_sync(settle, path) if path.exists() else 0
        if reached < length:
            response.status_code = 202
            return Taken(upload=digest, offset=reached)
        with desk.partials.whole(path, digest):
            uploaded = await desk.take_in(path, digest, owner)
    response.status_code = 201 if uploaded.stored else 200
    return uploaded


@router.delete(
    "/records/{record}",
    responses={**_ERRORS, 403: {"model": Problem}, 404: {"model": Problem}},
    openapi_extra=_SECURED,
    tags=["records"],
)
def withdraw(
    request: Request,
    owner: Owner,
    record: Annotated[str, InPath(max_length=80)],
    why: Annotated[str, InQuery(max_length=200, description="Shown to whoever asks for the record.")] = "",
) -> Withdrawn:
    """Take a record back: it leaves every list and its files are given out no more; a note of it stays."""
    card = desk_of(request).archive.withdraw(record, owner, why)
    note = card.withdrawn or {}
    return Withdrawn(id=record, utc=str(note.get("utc", "")), why=str(note.get("why", "")))


async def _receive(request: Request, desk: Desk, path: Path, most_bytes: int) -> None:
    """Append the body to a file.

    Raises:
        RefusedError: it is larger than that, or the client pauses too long or goes away.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most_bytes:
        raise _too_large(desk)
    desk.archive.store.require_room(most_bytes)
    received = 0
    body = aiter(request.stream())
    with path.open("ab", buffering=0) as sink:
        while True:
            try:
                async with asyncio.timeout(desk.limits.patience_s):
                    chunk = await anext(body, None)
            except TimeoutError:
                raise RefusedError(408, "the archive does not come", "send the rest of it") from None
            except ClientDisconnect:
                raise RefusedError(400, "the connection was cut", "send the rest of it") from None
            if chunk is None:
                return
            received += len(chunk)
            if received > most_bytes:
                raise _too_large(desk)
            if chunk:
                await anyio.to_thread.run_sync(sink.write, chunk)


def _too_large(desk: Desk) -> RefusedError:
    return RefusedError(
        413, f"an archive has at most {min(desk.limits.upload_bytes, MAX_ARCHIVE_BYTES):,} bytes", "pack fewer entries"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
