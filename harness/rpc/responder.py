"""The server's side of a call, from the bytes of a message to those of its answer, without I/O."""

import logging
from collections.abc import Container
from typing import Any, Final, Protocol

import avro.ipc

from harness.rpc.errors import RemoteError, WireFormatError
from harness.rpc.handshake import BOTH, ClientProtocols, HandshakeRequest, HandshakeResponse
from harness.rpc.protocol import (
    FORWARD,
    FORWARD_PREFIX_BYTES,
    PROTOCOL,
    declares_forward,
    decode_forward,
    encode_string,
)
from harness.rpc.resolution import Decoder, encode_datum, read_datum, read_string

VOID: Final = BOTH + b"\0\0"
"""The whole answer to a `forward` that went well: handshake BOTH, no metadata, no error, null."""

_NO_METADATA: Final = b"\0"
_FINE: Final = b"\0"
_STRING_ERROR: Final = b"\1\0"  # the error flag, and the string branch of the error union
_MAX_ERROR_CHARACTERS: Final = 2000
_log = logging.getLogger(__name__)


class Handlers(Protocol):
    """What a server calls for each message. Runs on the event loop: it must only enqueue, and be fast.

    A handler refuses a message by raising `RemoteError`. What else it raises is logged, answered as an
    "internal error", and harms nobody else.
    """

    def forward(self, input: bytes | memoryview, next: str, tag: str) -> None:  # noqa: A002  names of the wire
        """Take one tensor; `input` stays valid for as long as it is referred to."""

    def describe(self) -> dict[str, Any]:
        """The fields of NodeDescription."""

    def environment(self) -> str:
        """The environment of the device, as JSON."""

    def begin(self, run: str) -> None:
        """A run starts."""

    def statistics(self, run: str) -> dict[str, Any]:
        """The fields of NodeStatistics."""

    def probe(self, input: bytes | memoryview) -> int:  # noqa: A002  name of the wire
        """The number of bytes."""

    def stop(self, reason: str) -> None:
        """End the process soon, after this answer is out."""

    def seat(self, run: str, table: dict[str, Any]) -> None:
        """Take the fields of Table."""

    def state(self) -> dict[str, Any]:
        """The fields of NodeState."""

    def join(self, address: str) -> None:
        """Use a device."""

    def leave(self, address: str) -> None:
        """Do without a device."""

    def watch(self) -> str:
        """The state of a run, as JSON."""


class Responder:
    """Answers the messages of protocol `image`.

    Args:
        handlers: does what the messages say.
    """

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._clients = ClientProtocols()

    def respond(self, message: bytes | memoryview) -> bytes:
        """Answer one message.

        Args:
            message: handshake and call, frames taken off.

        Returns:
            Handshake and answer, or Avro error, without frames.

        Raises:
            WireFormatError: no handshake can be read, so that no Avro answer is possible.
        """
        if bytes(message[:FORWARD_PREFIX_BYTES]) in self._clients.fast_prefixes:
            return self._read_forward(BOTH, message, FORWARD_PREFIX_BYTES)
        decoder = Decoder(message)
        request = HandshakeRequest.read(decoder)
        try:
            client_protocol = self._clients.find(request)
        except WireFormatError as error:
            return _error(HandshakeResponse.of(request, client_known=True).encode(), f"bad handshake: {error}")
        handshake = HandshakeResponse.of(request, client_known=client_protocol is not None).encode()
        if client_protocol is None:
            return handshake
        return self._call(handshake, client_protocol, decoder, message)

    @property
    def fast_prefixes(self) -> Container[bytes]:
        """First bytes of the `forward` calls that may be read without their schema: `ClientProtocols.fast_prefixes`."""
        return self._clients.fast_prefixes

    def forward(self, input: bytes | memoryview, next: str, tag: str, handshake: bytes = BOTH) -> bytes:  # noqa: A002  names of the wire
        """Answer a call of `forward` that was read.

        Args:
            input: raw bytes of the tensor.
            next: what the peer wants computed.
            tag: identity of the tensor.
            handshake: what the answer begins with.

        Returns:
            Handshake and answer, or Avro error, without frames.
        """
        try:
            self._handlers.forward(input, next, tag)
        except Exception as error:  # noqa: BLE001  a handler's bug must not end the service
            return _error(handshake, _describe(FORWARD, error))
        return VOID if handshake is BOTH else handshake + _NO_METADATA + _FINE

    def _read_forward(self, handshake: bytes, message: bytes | memoryview, position: int) -> bytes:
        try:
            arguments = decode_forward(message, position)
        except WireFormatError as error:
            return _error(handshake, f"malformed call of forward: {error}")
        return self.forward(*arguments, handshake)

    def _call(self, handshake: bytes, client_protocol: Any, decoder: Decoder, message: bytes | memoryview) -> bytes:
        name = "?"
        try:
            read_datum(decoder, avro.ipc.META_SCHEMA, avro.ipc.META_SCHEMA)
            name = read_string(decoder)
            if name == FORWARD and declares_forward(client_protocol):
                return self._read_forward(handshake, message, decoder.position)
            theirs = (client_protocol.messages or {}).get(name)
            ours = PROTOCOL.messages.get(name)
            if theirs is None or ours is None:
                known = ", ".join(sorted(PROTOCOL.messages))
                return _error(handshake, f"unknown message '{name[:100]}'; known are {known}")
            arguments = read_datum(decoder, theirs.request, ours.request)
            decoder.expect_end()
        except WireFormatError as error:
            return _error(handshake, f"malformed call of {name[:100]}: {error}")
        try:
            result = encode_datum(ours.response, getattr(self._handlers, name)(**arguments))
        except Exception as error:  # noqa: BLE001  a handler's bug must not end the service
            return _error(handshake, _describe(name, error))
        return handshake + _NO_METADATA + _FINE + result


def _describe(name: str, error: Exception) -> str:
    if isinstance(error, RemoteError):
        return error.text
    _log.error("handler of %s failed", name, exc_info=error)
    return f"internal error: {type(error).__name__}: {error}"


def _error(handshake: bytes, text: str) -> bytes:
    # One line of what can be read: a role or a tag that is quoted may hold line ends and marks that turn the text.
    short = text[:_MAX_ERROR_CHARACTERS]
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in short)
    return handshake + _NO_METADATA + _STRING_ERROR + encode_string(shown)
