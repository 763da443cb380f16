"""The server's side of TLS: stands between a connection and its socket, and lets nobody in without a certificate.

Not asyncio's own TLS: there a peer counts only once its handshake is over, so that strangers could hold any
number of connections open, and a peer that speaks plain HTTP is never told why it is cut off.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final, cast

from harness.rpc.request_reader import RefusalError
from harness.rpc.tls import TlsSession, explained

if TYPE_CHECKING:
    from harness.rpc.connection import ServerConnection

TLS_ONLY: Final = 426
"""HTTP status for a peer that speaks without TLS."""
_HANDSHAKE_RECORD: Final = 22
_LINGER_S: Final = 1.0
"""How long a peer may take to read why its handshake failed; what it sends is thrown away."""
_log = logging.getLogger(__name__)


class _State(enum.Enum):
    NEW = enum.auto()
    HANDSHAKE = enum.auto()
    OPEN = enum.auto()
    PLAIN = enum.auto()
    """The peer does not speak TLS: it is told so in the clear."""
    OVER = enum.auto()
    """Nothing more is read."""


class TlsTransport(asyncio.Transport, asyncio.BufferedProtocol):
    """The protocol of a socket's transport, and the transport of a `ServerConnection`.

    The connection is made known to its server at once, before any byte: the server's limits hold for handshakes, and
    a peer has the time of one message for its handshake and first message together.

    Args:
        context: of the server's side.
        connection: gets the plain bytes.
        loop: the running event loop.
        scratch: where received records lie until they are read, which is at once: the connections of a server share it.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        connection: ServerConnection,
        loop: asyncio.AbstractEventLoop,
        scratch: memoryview,
    ) -> None:
        super().__init__()
        self._session = TlsSession(context)
        self._connection = connection
        self._loop = loop
        self._scratch = scratch
        self._state = _State.NEW
        self._raw: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._early: list[bytes] = []
        self._ends_early = False

    # What the socket's transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected."""
        self._raw = cast("asyncio.Transport", transport)
        self._connection.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._state = _State.OVER
        self._raw = None
        self._connection.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  one size for all
        """Where received bytes belong."""
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        data = self._scratch[:nbytes]
        if self._state is _State.NEW:
            self._begin(data)
        elif self._state is _State.HANDSHAKE:
            self._handshake(data)
        elif self._state is _State.OPEN:
            self._deliver(data)

    def pause_writing(self) -> None:
        """The peer does not read."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._connection.resume_writing()

    # What the connection calls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, or keep until the handshake is over."""
        if self._raw is None:
            return
        if self._state is _State.OPEN:
            self._raw.write(self._session.seal([memoryview(data)]))
        elif self._state is _State.PLAIN:
            self._raw.write(data)
        elif self._state is not _State.OVER:
            self._early.append(bytes(data))

    def can_write_eof(self) -> bool:
        """It can."""
        return True

    def write_eof(self) -> None:
        """Say that nothing more will come; what the peer still sends is thrown away."""
        if self._raw is None:
            return
        if self._state is _State.OPEN:
            self._raw.write(self._session.farewell())
        elif self._state is not _State.PLAIN:
            self._ends_early = True
            return
        self._state = _State.OVER
        self._raw.write_eof()

    def close(self) -> None:
        """Close when what was written is out."""
        if self._raw is not None:
            if self._state is _State.OPEN:
                self._raw.write(self._session.farewell())
                self._state = _State.OVER
            self._raw.close()

    def abort(self) -> None:
        """Close now."""
        if self._raw is not None:
            self._raw.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._raw is None or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Take no more from the socket."""
        if self._raw is not None:
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Take from the socket again."""
        if self._raw is not None:
            self._raw.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As of the socket's transport."""
        return default if self._raw is None else self._raw.get_extra_info(name, default)

    def _begin(self, data: memoryview) -> None:
        if data[0] == _HANDSHAKE_RECORD:
            self._state = _State.HANDSHAKE
            self._handshake(data)
            return
        self._state = _State.PLAIN
        for early in self._early:
            self.write(early)
        self._connection.refuse(RefusalError(TLS_ONLY, "speaks mutual TLS only, with the keys of its farm"))
        if self._ends_early:
            self.write_eof()

    def _handshake(self, data: memoryview) -> None:
        assert self._raw is not None
        try:
            done = self._session.handshake(data)
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._raw.write(self._session.outgoing())
        if not done:
            return
        self._state = _State.OPEN
        for early in self._early:
            self.write(early)
        self._early = []
        if self._ends_early:
            self.write_eof()
        else:
            self._deliver(b"")

    def _deliver(self, data: bytes | memoryview) -> None:
        try:
            self._session.open_into(data, self._buffer, self._connection.buffer_updated)
        except ssl.SSLError as error:
            if self._state is _State.OPEN:
                self._fail(error)
            return
        if self._session.ended:
            self.close()

    def _buffer(self) -> memoryview:
        return self._connection.get_buffer(-1)

    def _fail(self, error: ssl.SSLError) -> None:
        """Send the alert, and leave the peer the time to read it: closing at once, with bytes unread, destroys it."""
        assert self._raw is not None
        self._state = _State.OVER
        _log.info("refused a peer: it %s", explained(error))
        self._raw.write(self._session.outgoing())
        self._raw.write_eof()
        self._timer = self._loop.call_later(_LINGER_S, self._raw.abort)
