"""The server of a node: Avro RPC over HTTP on one event loop, without a thread per call."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING, Final

from harness.rpc.binding import listen
from harness.rpc.connection import ServerConnection
from harness.rpc.responder import Handlers, Responder
from harness.rpc.tls_transport import TlsTransport

if TYPE_CHECKING:
    from harness.rpc.limits import Limits
    from harness.rpc.security import Security

__all__ = ["Handlers", "RpcServer"]

_STUCK_S: Final = 1.0
"""After this an incomplete message may be given up for a new connection, if there is no other room."""
_FAREWELL_S: Final = 1.0
"""How long answers may take to leave when the server closes."""
_LONGEST_SWEEP_S: Final = 0.25
_SHORTEST_SWEEP_S: Final = 0.02
_SCRATCH_BYTES: Final = 262_144
"""What is read at once from a connection that speaks TLS."""


class RpcServer:
    """Answers the messages of protocol `image` to any Avro RPC client.

    Args:
        handlers: does what the messages say; its methods run on the event loop.
        limits: what a peer may use.
        security: the keys of mutual TLS; None speaks plain, to whoever comes.

    Attributes:
        limits: as given.
        responder: answers messages.
    """

    def __init__(self, handlers: Handlers, limits: Limits, security: Security | None = None) -> None:
        self.limits = limits
        self._security = security
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES if security else 0))
        self.responder = Responder(handlers)
        self._buffered_bytes = 0
        self._connections: set[ServerConnection] = set()
        self._forgotten = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None

    async def start(self, where: tuple[str, int] | socket.socket) -> tuple[str, int]:
        """Listen.

        Args:
            where: host and port of this machine (port 0 takes any free one), or a socket that is bound.

        Returns:
            Host and port that the server listens on.

        Raises:
            BadInputError: the address cannot be listened on; the message says why.
        """
        sock = where if isinstance(where, socket.socket) else listen(*where)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._connection(loop), sock=sock)
        self._schedule(loop)
        host, port = sock.getsockname()[:2]
        return str(host), int(port)

    async def close(self) -> None:
        """Stop listening and close all connections; answers already written still go out."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                while self._connections:
                    self._forgotten.clear()
                    await self._forgotten.wait()
        for connection in tuple(self._connections):
            connection.abort()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._connections)

    def admit(self, connection: ServerConnection) -> bool:
        """Take in a new connection; if need be one makes room that said nothing yet, is idle, or is stuck."""
        if len(self._connections) >= self.limits.max_connections:
            oldest = self._least_missed()
            if oldest is None:
                return False
            self._connections.discard(oldest)
            oldest.abort()
        self._connections.add(connection)
        return True

    def account(self, change_bytes: int) -> None:
        """Keep incomplete messages within the limit, at the cost of the one longest under way."""
        self._buffered_bytes += change_bytes
        if change_bytes > 0 and self._buffered_bytes > self.limits.buffered_bytes:
            holders = [known for known in self._connections if known.message_since is not None]
            if holders:
                min(holders, key=lambda known: known.message_since or 0.0).abort()

    def _connection(self, loop: asyncio.AbstractEventLoop) -> ServerConnection | TlsTransport:
        connection = ServerConnection(self)
        if self._security is None:
            return connection
        return TlsTransport(self._security.server_context, connection, loop, self._scratch)

    def _least_missed(self) -> ServerConnection | None:
        now = time.monotonic()

        def stuck(known: ServerConnection) -> bool:
            return now - (known.message_since or now) >= _STUCK_S

        strangers = [known for known in self._connections if not known.proven]
        # Peers of old that pause cost us most: they go after all who have yet to send a message.
        choices = (
            [known for known in strangers if known.message_since is None],
            [known for known in strangers if stuck(known)],
            [known for known in self._connections if known.proven and known.message_since is None],
            [known for known in self._connections if stuck(known)],
        )
        return next((min(some, key=lambda known: known.last_active) for some in choices if some), None)

    def forget(self, connection: ServerConnection) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        self._forgotten.set()

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        shortest = min(self.limits.message_deadline_s, self.limits.idle_timeout_s)
        every_s = min(_LONGEST_SWEEP_S, max(_SHORTEST_SWEEP_S, shortest / 10))

        def sweep() -> None:
            now = time.monotonic()
            for connection in tuple(self._connections):
                connection.enforce(now)
            self._sweep = loop.call_later(every_s, sweep)

        self._sweep = loop.call_later(every_s, sweep)
