"""How much a scoreboard takes from strangers, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from harness.errors import BadInputError


@dataclass(frozen=True)
class Limits:
    """Bounds of a service.

    Attributes:
        upload_bytes: largest archive.
        uploads_at_once: archives that are received at the same time; another one is asked to come again.
        checks_at_once: archives that are checked at the same time; others wait.
        requests_at_once: requests under way; another one is asked to come again.
        threads: that answer requests; more of them would only wait for each other.
        connections: open connections, idle ones included.
        patience_s: longest pause of a client in the middle of a request.
        idle_s: how long a connection without a request stays open.
        partial_uploads: interrupted uploads that are kept for each uploader.
    """

    upload_bytes: int = 64 * 1024 * 1024
    uploads_at_once: int = 32
    checks_at_once: int = 2
    requests_at_once: int = 64
    threads: int = 8
    connections: int = 512
    patience_s: float = 20.0
    idle_s: float = 10.0
    partial_uploads: int = 32


class RefusedError(BadInputError):
    """A request that is answered with an error of HTTP.

    Args:
        status: of the answer.
        message: one line that names what is wrong.
        hint: what to do.
        headers: of the answer.
        more: further fields of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        hint: str = "",
        *,
        headers: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.status, self.headers, self.more = status, headers or {}, more or {}


def problem(
    status: int, error: str, hint: str = "", headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Every error of the service has this form: what is wrong, and the way out."""
    return JSONResponse({"error": error, "hint": hint, **more}, status, headers=headers)
