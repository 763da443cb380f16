"""One question to a scoreboard, and its answer, which is not believed to be short, or JSON."""

from __future__ import annotations

import json
from typing import Any, Self

from harness.board.words import plain
from harness.errors import BadInputError, FarmError

_LONGEST_ANSWER = 4 * 1024 * 1024


class TryAgainError(FarmError):
    """Something that may go better in a moment."""


class Caller:
    """Asks a scoreboard, and believes nothing that it answers to be short, or JSON."""

    def __init__(self, token: str) -> None:
        import httpx  # noqa: PLC0415  a tenth of a second that the preview need not wait for

        if not token.isascii() or not token.isprintable() or " " in token:
            raise BadInputError("the token holds what no token holds", "it is one word, as `token` printed it")
        self._errors = httpx.HTTPError
        self._client = httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=60.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._client.close()

    def ask(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        """One answer of the service.

        Raises:
            BadInputError: it refuses.
            FarmError: it is no scoreboard.
            TryAgainError: it is busy, or the connection broke.
        """
        try:
            with self._client.stream(method, url, **request) as answer:
                body = b""
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > _LONGEST_ANSWER:
                        raise FarmError(f"{url} answers without an end", "is it a scoreboard?")
                status = answer.status_code
        except self._errors as error:
            raise TryAgainError(f"{url} does not answer: {plain(str(error) or type(error).__name__)}") from None
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise FarmError(f"{url} does not answer as a scoreboard does (status {status})", "see the address")
        if status < 300:  # noqa: PLR2004  HTTP's class of successes
            return document
        message, hint = (plain(str(document.get(key, ""))) for key in ("error", "hint"))
        if status in (408, 409, 429, 500, 502, 503, 504) or "connection was cut" in message:
            raise TryAgainError(f"the scoreboard says: {message}", hint)
        raise BadInputError(f"the scoreboard says: {message or status}", hint)
