"""Stands before every request: bounds how many there are, and adds what every answer says to a browser."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.board.pages import POLICY
from harness.board.service.limits import problem

_HEADERS = {
    # A page of ours is never part of another's, and a file of a record is never taken for a page.
    "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_CACHE = b"cache-control"


class Guard:
    """Wraps an application.

    Args:
        app: what answers.
        requests_at_once: requests under way; another one gets 503 and is asked to come again.
    """

    def __init__(self, app: ASGIApp, requests_at_once: int) -> None:
        self._app = app
        self._most = requests_at_once
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ())]
                headers += [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                if not any(name.lower() == _CACHE for name, _ in headers):
                    headers.append((_CACHE, b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        if self._under_way >= self._most:
            busy = problem(503, "the scoreboard is busy", "try again in a second", {"retry-after": "1"})
            await busy(scope, receive, guarded)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, guarded)
        finally:
            self._under_way -= 1
