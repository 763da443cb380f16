"""A page in Debian's Chromium, with its requests, messages and errors written down."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Root has no sandbox in a container; no name is looked up, and nothing is fetched for the browser's own sake.
_OPTIONS = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--disable-component-update"]


@dataclass
class Watched:
    """A page, and what it did."""

    page: Page
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, path: Path) -> None:
        """Open a file and wait until all of its figures are drawn."""
        self.page.goto(path.as_uri())
        self.page.wait_for_function(
            "document.querySelectorAll('div.interactive').length === document.querySelectorAll('[data-drawn]').length"
        )


OpenPage = Callable[..., Watched]
"""Opens a watched page: a file or nothing yet, and options of a browser context, such as `offline`."""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser without a window; the test is skipped where none is installed."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no Chromium: the page is NOT tested in a browser (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        yield browser
        browser.close()


@contextmanager
def page_opener(browser: Browser) -> Iterator[OpenPage]:
    """What opens pages; all of them are closed in the end."""
    contexts = []

    def opened(path: Path | None = None, **options: object) -> Watched:
        context = browser.new_context(**options)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        watched.page.on("console", lambda message: watched.messages.append(f"{message.type}: {message.text}"))
        watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
        if path is not None:
            watched.open(path)
        return watched

    try:
        yield opened
    finally:
        for context in contexts:
            context.close()
