"""One connection of a server: reads requests, keeps the deadlines, writes the answers."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, Protocol, cast

from harness.rpc.errors import WireFormatError
from harness.rpc.framing import decode_message, encode_message
from harness.rpc.request_reader import RefusalError, Request, RequestReader
from harness.rpc.responder import VOID
from harness.rpc.usual_call import UsualCall

if TYPE_CHECKING:
    from harness.rpc.limits import Limits
    from harness.rpc.responder import Responder

_LINGER_S: Final = 1.0
"""How long a peer that was refused may go on sending before it is cut off; its bytes are thrown away."""
_REASONS: Final = {
    400: "Bad Request",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    417: "Expectation Failed",
    426: "Upgrade Required",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_ACKNOWLEDGED: Final = encode_message(VOID)
_ACKNOWLEDGEMENT: Final = (
    f"HTTP/1.1 200 OK\r\nContent-Type: avro/binary\r\nContent-Length: {len(_ACKNOWLEDGED)}\r\n\r\n".encode()
    + _ACKNOWLEDGED
)
"""The answer to nearly every request, made once."""
_log = logging.getLogger(__name__)


class Owner(Protocol):
    """What a connection needs of the server that it belongs to."""

    limits: Limits
    responder: Responder

    def admit(self, connection: ServerConnection) -> bool:
        """Whether the new connection may stay."""

    def forget(self, connection: ServerConnection) -> None:
        """The connection is gone."""

    def account(self, change_bytes: int) -> None:
        """More or fewer bytes of incomplete messages are held; may abort connections."""


class ServerConnection(asyncio.BufferedProtocol):
    """The state of one connection.

    Args:
        owner: the server.

    Attributes:
        opened: when it came about (monotonic, s).
        proven: whether a message that could be answered has come on it.
        message_since: when the first byte of the message in progress came; None between two.
        last_active: when the last bytes came.
        pending_bytes: bytes of the message in progress that are held.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._limits = owner.limits
        self._responder = owner.responder
        self._reader = RequestReader(owner.limits)
        self._usual = UsualCall()
        self._transport: asyncio.Transport | None = None
        self._linger_until: float | None = None
        self.message_since: float | None = None
        self.opened = self.last_active = time.monotonic()
        self.proven = False
        self.pending_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The peer has connected."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._owner.admit(self):
            self._refuse(RefusalError(503, f"{self._limits.max_connections} connections are open"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  who broke it does not matter
        """The connection is gone."""
        self._transport = None
        self._owner.forget(self)
        self._reader.discard()
        self._account()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the reader knows better
        """Where received bytes belong."""
        return self._reader.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come."""
        self.last_active = time.monotonic()
        if self._linger_until is not None:
            return
        reader = self._reader
        reader.received(nbytes)
        if reader.requests or self.message_since is None:
            self.message_since = self.last_active if reader.begun else None
        for request in reader.requests:
            self._serve(request)
        reader.requests.clear()
        if reader.refusal is not None:
            self._refuse(reader.refusal)
        elif reader.expects_continue and self._transport is not None:
            reader.expects_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if reader.pending_bytes != self.pending_bytes:
            self._account()

    def pause_writing(self) -> None:
        """The peer does not read its answers: it gets no further ones."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The peer reads its answers again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def enforce(self, now: float) -> None:
        """Close the connection if it has used up its time; the server calls this every now and then."""
        if self._transport is None:
            return
        if self._linger_until is not None:
            if now >= self._linger_until:
                self._transport.abort()
            return
        # A peer that has not yet sent one message has the time of one, however it spreads its bytes.
        since, allowed_s = self.opened, self._limits.message_deadline_s
        if self.proven and self.message_since is not None:
            since = self.message_since
        elif self.proven:
            since, allowed_s = self.last_active, self._limits.idle_timeout_s
        if now - since < allowed_s:
            return
        if self.message_since is None:
            self._transport.abort()
        else:
            self._refuse(RefusalError(408, f"the message was not complete after {allowed_s:g} s"))

    def refuse(self, refusal: RefusalError) -> None:
        """Turn the peer away for a reason that was not found in a request."""
        self._refuse(refusal)

    def abort(self) -> None:
        """Close the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close the connection when the answers written so far are out."""
        if self._transport is not None:
            self._transport.close()

    def _serve(self, request: Request) -> None:
        if self._linger_until is not None or self._transport is None or self._transport.is_closing():
            return
        framed = memoryview(request.body)
        call = self._usual.read(framed)
        if call is not None:
            answer = self._responder.forward(*call)
        else:
            try:
                answer = self._responder.respond(decode_message(framed, self._limits.max_message_bytes))
            except WireFormatError as error:
                self._refuse(RefusalError(400, f"malformed Avro: {error}"))
                return
            if answer is VOID:
                self._usual.learn(framed, self._responder.fast_prefixes)
        self.proven = True
        if answer is VOID and request.keep_alive and not request.old:
            self._transport.write(_ACKNOWLEDGEMENT)
            return
        body = encode_message(answer)
        stays = "Connection: keep-alive\r\n" if request.old else ""
        connection = stays if request.keep_alive else "Connection: close\r\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: avro/binary\r\n{connection}Content-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
        if not request.keep_alive:
            self._linger()

    def _refuse(self, refusal: RefusalError) -> None:
        """Tell the peer in HTTP why it is refused, and close the connection soon."""
        if self._linger_until is not None or self._transport is None or self._transport.is_closing():
            return
        _log.info("refused a peer with HTTP %d: %s", refusal.status, refusal.reason)
        body = f"{refusal.reason}\n".encode()
        head = (
            f"HTTP/1.1 {refusal.status} {_REASONS[refusal.status]}\r\n{refusal.header}"
            f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._linger()

    def _linger(self) -> None:
        # Closing at once, with bytes of the peer unread, would reset the connection and destroy the answer.
        self._reader.discard()
        self._reader = RequestReader(self._limits)
        self._account()
        self.message_since = None
        self._linger_until = time.monotonic() + _LINGER_S
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def _account(self) -> None:
        change, self.pending_bytes = (
            self._reader.pending_bytes - self.pending_bytes,
            self._reader.pending_bytes,
        )
        self._owner.account(change)
