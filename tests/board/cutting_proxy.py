"""Stands between a client and a service, counts what the client sends, and cuts the line where it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Line:
    """One proxy.

    Attributes:
        port: where clients connect.
        sent: bytes that clients have sent so far.
        cuts: after how many bytes each connection is cut, in their order; later ones are left alone.
        pause_s: how long each piece is held back.
    """

    port: int
    cuts: list[int] = field(default_factory=list)
    pause_s: float = 0.0
    sent: int = 0

    @property
    def url(self) -> str:
        """Address for a client."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def between(port: int, cuts: list[int] | None = None, pause_s: float = 0.0) -> Iterator[Line]:
    """A proxy before a port, for the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    line = Line(listener.getsockname()[1], cuts or [], pause_s)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            limit = line.cuts.pop(0) if line.cuts else None
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_there, args=(line, client, server, limit), daemon=True).start()
            threading.Thread(target=_back, args=(client, server), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def _there(line: Line, client: socket.socket, server: socket.socket, limit: int | None) -> None:
    passed = 0
    with contextlib.suppress(OSError):
        while piece := client.recv(4096):
            piece = piece if limit is None else piece[: limit - passed]
            time.sleep(line.pause_s)
            server.sendall(piece)
            passed += len(piece)
            line.sent += len(piece)
            if limit is not None and passed >= limit:
                break
    _close(client, server)


def _back(client: socket.socket, server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := server.recv(65536):
            client.sendall(piece)
    _close(client, server)


def _close(*wires: socket.socket) -> None:
    for wire in wires:
        with contextlib.suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)
        wire.close()
