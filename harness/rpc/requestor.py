"""The client's side of a call, from its parameters to bytes and back; does no input or output."""

from typing import Any, Final

import avro.ipc

from harness.rpc.errors import ProtocolError, RemoteError, WireFormatError
from harness.rpc.handshake import HandshakeRequest, HandshakeResponse
from harness.rpc.protocol import (
    FORWARD,
    PROTOCOL,
    PROTOCOL_HASH,
    PROTOCOL_TEXT,
    encode_long,
    encode_string,
    parse_protocol,
)
from harness.rpc.resolution import Decoder, encode_datum, read_boolean, read_datum, read_string
from harness.rpc.responder import VOID

SEND_AGAIN: Final = object()
"""`Requestor.decode` answers this when the server wants the call again, with our protocol's text."""

_NO_METADATA: Final = b"\0"
_RESPONSE_NODES: Final = 50_000_000  # the statistics of a long run hold some values for each frame


class Requestor:
    """Encodes calls to one server and decodes its answers, as the server's handshakes say.

    Args:
        host: address of the server, for the errors.
        port: its TCP port, for the errors.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        # Until it says otherwise the server is taken to be of our own kind: then one round trip is enough.
        self._server_hash = PROTOCOL_HASH
        self._server_protocol = PROTOCOL
        self._send_protocol = False
        self._forward_head = self._head(FORWARD)

    def encode(self, message: str, request: dict[str, Any]) -> bytes:
        """The bytes of one call.

        Raises:
            TypeError: the request has not the message's parameters.
            KeyError: the protocol has no such message.
        """
        return self._head(message) + encode_datum(PROTOCOL.messages[message].request, request)

    @property
    def forward_head(self) -> bytes:
        """What precedes the parameters in a call of `forward`; changes with what the server's handshakes say."""
        return self._forward_head

    def encode_forward_head(self, input_bytes: int) -> bytes:
        """What precedes the tensor's bytes in a call of `forward`."""
        return self._forward_head + encode_long(input_bytes)

    def decode(self, message: str, response: bytes | memoryview) -> Any:
        """Read the answer to a call.

        Returns:
            The answer in our own declaration of the message, or `SEND_AGAIN`.

        Raises:
            RemoteError: the server answered an Avro error.
            ProtocolError: the answer is not Avro, or of a protocol that does not fit ours.
        """
        if response == VOID and self._answers_null(message):
            self._settle(send_protocol=False)
            return None
        try:
            return self._decode(message, Decoder(response))
        except WireFormatError as error:
            raise self._protocol_error(f"sent an answer to {message} that cannot be read: {error}") from error

    def _decode(self, message: str, decoder: Decoder) -> Any:
        handshake = HandshakeResponse.read(decoder)
        if handshake.match != "BOTH":
            self._learn(handshake)
        if handshake.match == "NONE":
            if self._send_protocol:
                raise self._protocol_error("knows our protocol and still refuses the handshake")
            self._settle(send_protocol=True)
            return SEND_AGAIN
        self._settle(send_protocol=False)
        read_datum(decoder, avro.ipc.META_SCHEMA, avro.ipc.META_SCHEMA)
        theirs = (self._server_protocol.messages or {}).get(message)
        if read_boolean(decoder):
            raise RemoteError(self._error_text(theirs, decoder), host=self._host, port=self._port)
        if theirs is None:
            raise self._protocol_error(f"has no message {message} in its protocol '{self._server_protocol.name}'")
        ours = PROTOCOL.messages[message]
        result = read_datum(decoder, theirs.response, ours.response, _RESPONSE_NODES)
        decoder.expect_end()
        return result

    def _error_text(self, theirs: Any, decoder: Decoder) -> str:
        if theirs is None:  # only the undeclared, "system" error is possible: branch 0, a string
            read_boolean(decoder)
            return read_string(decoder)
        error = read_datum(decoder, theirs.errors, theirs.errors)
        return error if isinstance(error, str) else repr(error)

    def _learn(self, handshake: HandshakeResponse) -> None:
        if handshake.server_protocol is None or handshake.server_hash is None:
            raise self._protocol_error(f"answers the handshake with {handshake.match} and does not send its protocol")
        self._server_protocol = parse_protocol(handshake.server_protocol)
        self._server_hash = handshake.server_hash
        self._forward_head = self._head(FORWARD)

    def _settle(self, *, send_protocol: bool) -> None:
        if send_protocol != self._send_protocol:
            self._send_protocol = send_protocol
            self._forward_head = self._head(FORWARD)

    def _head(self, message: str) -> bytes:
        text = PROTOCOL_TEXT if self._send_protocol else None
        handshake = HandshakeRequest(PROTOCOL_HASH, self._server_hash, text)
        return handshake.encode() + _NO_METADATA + encode_string(message)

    def _answers_null(self, message: str) -> bool:
        theirs = (self._server_protocol.messages or {}).get(message)
        return theirs is not None and theirs.response.type == "null"

    def _protocol_error(self, what: str) -> ProtocolError:
        return ProtocolError(
            f"{self._host}:{self._port} {what}",
            "is the address right, and is a node of this release running there?",
            host=self._host,
            port=self._port,
        )
