"""An error as who asked reads it best: a page for a browser, JSON for a program."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment

from harness.board.service.limits import problem
from harness.board.words import plain

_LONGEST = 400
_PAGE = Environment(autoescape=True, trim_blocks=True).from_string(
    """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{{ error }}</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="{{ root }}assets/board.css"></head>
<body><header class="top"><p class="brand"><a href="{{ root }}./">iot-farm</a></p></header>
<main id="content"><h1>{{ title }}</h1>
<p>{{ error }}</p>
{% if hint %}<p class="soft">{{ hint }}</p>
{% endif %}
<p><a href="{{ root }}./">To the scoreboard</a></p></main></body></html>
"""
)
_TITLES = {404: "Not here", 410: "Taken back", 422: "Not understood", 503: "Busy"}


def problem_for(
    request: Request, status: int, error: str, hint: str = "", headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """Answer an error.

    Args:
        request: what it answers; a browser asks for HTML, and never below /api.
        status: of HTTP.
        error: what is wrong, in one line.
        hint: the way out.
        headers: of the answer.
        more: further fields of the JSON.
    """
    path = request.url.path
    looks = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not looks or path.startswith("/api/"):
        return problem(status, error, hint, headers, **more)
    note = more.get("withdrawn")
    if isinstance(note, dict):
        hint = hint or f"{note.get('utc', '')}: {note.get('why') or 'no reason was given'}"
    page = _PAGE.render(
        title=_TITLES.get(status, "This did not work"),
        error=plain(error, _LONGEST),
        hint=plain(hint, _LONGEST),
        root="../" * (path.count("/") - 1),
    )
    return HTMLResponse(page, status, headers=headers)
