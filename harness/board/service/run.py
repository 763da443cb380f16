"""Serves the application: bounds on connections, an end that lets requests finish."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import signal
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from harness.board.service.limits import Limits

_END_S = 10
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h
_LARGE_BLOCK = 256 * 1024
_LARGEST_HEADER = 64 * 1024
_MOST_WASTED = 4 * 1024 * 1024


def serve(app: FastAPI, listener: socket.socket, limits: Limits | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests under way may finish.

    Args:
        app: what answers.
        listener: of `harness.board.service.address.listen`.
        limits: bounds of connections.
    """
    bounds = limits or Limits()
    protocol = type("BoundProtocol", (ImpatientProtocol,), {"idle_s": bounds.idle_s})
    config = uvicorn.Config(
        app,
        http=protocol,
        loop="asyncio",
        lifespan="on",
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        limit_concurrency=bounds.connections,
        timeout_keep_alive=max(1, int(bounds.idle_s)),
        timeout_graceful_shutdown=_END_S,
        proxy_headers=False,
    )
    _steady_memory()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    uvicorn.Server(config).run(sockets=[listener])


def _end(number: int, frame: Any) -> None:
    """The server raises the signal again when all is done: that is an ordinary end, not a failure."""
    del number, frame
    raise SystemExit(0)


def _steady_memory() -> None:
    """Large blocks go back to the system when they are freed, and threads share two heaps (glibc's mallopt(3)).

    By itself glibc keeps a heap for each thread, and keeps in it what was as large as a record once.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, _LARGE_BLOCK)
        mallopt(_M_ARENA_MAX, 2)


class ImpatientProtocol(HttpToolsProtocol):
    """Also closes a connection whose request never begins, never gets beyond its headers, or has too many of them.

    Attributes:
        idle_s: how long it waits.
    """

    idle_s = 10.0
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _wasted_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """A client is there: its request is expected."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._calm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins: its headers are expected."""
        super().on_message_begin()
        self._header_bytes = 0
        self._calm()
        self._expect()

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Whoever got this far has the patience of the route."""
        self._calm()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body; what follows an answer is thrown away, so that the answer is read, up to a bound."""
        super().on_body(body)
        if self.cycle.response_complete:
            self._wasted_bytes += len(body)
            if self._wasted_bytes > _MOST_WASTED:
                self.transport.close()

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self.idle_s, self.transport.close)

    def _calm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > _LARGEST_HEADER:
            self.transport.close()
