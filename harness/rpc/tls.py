"""One side of a TLS connection as a machine of bytes: no socket, no clock; and what its errors mean."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Final, cast

_READ_BYTES: Final = 65_536
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"}
_TOO_OLD: Final = {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"}
_NO_CERTIFICATE: Final = {"PEER_DID_NOT_RETURN_A_CERTIFICATE"}
_REFUSED: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a certificate, and this side has none",
    "TLSV1_ALERT_UNKNOWN_CA": "this device's certificate is of another farm",
    "TLSV1_ALERT_DECRYPT_ERROR": "this device's certificate is of another farm",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "this device's certificate has expired, or its clock is wrong",
}


class TlsSession:
    """Turns plain bytes into TLS records and back.

    `seal` and `open` may be called from any thread.

    Args:
        context: settings and keys, see `harness.rpc.security`.
        host: name or address that the peer's certificate must carry; None makes this the server's side.

    Attributes:
        ended: the peer has said that nothing more will come.
    """

    def __init__(self, context: ssl.SSLContext, host: str | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=host is None, server_hostname=host)
        self._lock = threading.Lock()  # OpenSSL's object bears one call at a time
        self.ended = False

    def handshake(self, received: bytes | memoryview = b"") -> bool:
        """Go on with the handshake; returns whether this side has done its part. What to send: `outgoing`.

        Raises:
            ssl.SSLError: the two do not come to terms; `outgoing` has the alert for the peer.
        """
        if received:
            self._incoming.write(received)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def outgoing(self) -> bytes:
        """Records that are to be sent; hands out each byte once."""
        with self._lock:
            return self._outgoing.read()

    def seal(self, buffers: Sequence[bytes | memoryview]) -> bytes:
        """The records that carry these plain bytes.

        Raises:
            ssl.SSLError: the session is over.
        """
        with self._lock:
            for buffer in buffers:
                if len(buffer):
                    self._object.write(buffer)
            return self._outgoing.read()

    def open(self, received: bytes) -> bytes:
        """The plain bytes of the records that are complete with these; may be none.

        Raises:
            ssl.SSLError: the peer sent an alert, or something that is no record of this session.
        """
        parts: list[bytes] = []
        with self._lock:
            self._incoming.write(received)
            while not self.ended and (self._incoming.pending or self._object.pending()):
                try:
                    part = self._object.read(_READ_BYTES)
                except ssl.SSLWantReadError:
                    break
                parts.append(part)
                self.ended = not part
        return b"".join(parts)

    def open_into(
        self, received: bytes | memoryview, buffer: Callable[[], memoryview], updated: Callable[[int], None]
    ) -> None:
        """As `open`, with each piece read into a buffer of the caller's, who is told its size.

        Raises:
            ssl.SSLError: as `open`.
        """
        self._incoming.write(received)
        view, filled = memoryview(b""), 0
        try:
            while not self.ended and (self._incoming.pending or self._object.pending()):
                view = view if filled else buffer()
                size = cast("int", self._object.read(len(view) - filled, view[filled:]))  # bytes, given a buffer
                filled += size
                self.ended = not size
                if filled == len(view):
                    filled = 0
                    updated(len(view))
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        finally:
            if filled:
                updated(filled)

    def farewell(self) -> bytes:
        """The records that tell the peer that nothing more will come."""
        with contextlib.suppress(ssl.SSLError):  # the peer has not said so too, and need not
            self._object.unwrap()
        return self._outgoing.read()

    @property
    def cipher(self) -> str:
        """Name of the cipher suite; empty before the handshake."""
        found = self._object.cipher()
        return found[0] if found else ""


def explained(error: ssl.SSLError) -> str:
    """What a TLS error says of the peer, in words for the user."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not to be trusted: {error.verify_message}"
    reason = error.reason or ""
    if reason in _NO_TLS:
        return "does not speak TLS: it runs without the farm's keys"
    if reason in _TOO_OLD:
        return "speaks an older TLS than 1.3"
    if reason in _NO_CERTIFICATE:
        return "shows no certificate"
    if reason in _REFUSED:
        return f"refuses this device: {_REFUSED[reason]}"
    return f"does not come to terms over TLS: {reason.replace('_', ' ').lower() or error}"
